/* A plugin that some rule of loading refuses; which one is chosen by the definitions of its target. */
#include <certctl/entry.h>
#include <certctl/target.h>

#include "certctl_manifest.h"

#ifndef MAGIC
#define MAGIC CERTCTL_MAGIC
#endif
#ifndef MAJOR
#define MAJOR CERTCTL_ABI_MAJOR
#endif
#ifndef MIN_HOST_MINOR
#define MIN_HOST_MINOR 0u
#endif
#ifndef FLAGS
#define FLAGS 0u
#endif
#ifndef INIT_STATUS
#define INIT_STATUS CERTCTL_OK
#endif
#ifndef TYPE
#define TYPE CERTCTL_MANIFEST_TYPE
#endif

#define TEXT(literal) {literal, sizeof(literal) - 1}

static const certctl_target table = {sizeof(certctl_target), 0, 0, 0, 0, 0, 0, 0};

static certctl_status create(certctl_call* call, certctl_instance** out) {
  static int instance;
  (void)call;
  *out = (certctl_instance*)&instance;
  return CERTCTL_OK;
}

static void destroy(certctl_instance* instance) { (void)instance; }

static const void* extension(certctl_instance* instance, certctl_bytes id) {
  (void)instance;
  (void)id;
  return &table;
}

static const certctl_descriptor descriptor = {sizeof(certctl_descriptor),     0,
                                              TEXT(CERTCTL_MANIFEST_KIND),    TEXT(TYPE),
                                              TEXT(CERTCTL_MANIFEST_VERSION), {certctl_manifest, CERTCTL_MANIFEST_SIZE}};
static const certctl_descriptor* const descriptors[] = {&descriptor};
static const certctl_factory factory = {sizeof(certctl_factory), 1, descriptors, create, destroy, extension, 0, 0, 0};

static certctl_status init(certctl_host* host) {
  (void)host;
  return INIT_STATUS;
}

static const void* get_factory(certctl_bytes id) {
  (void)id;
  return &factory;
}

const certctl_entry certctl_plugin = {MAGIC, sizeof(certctl_entry), MAJOR, 0, MIN_HOST_MINOR, FLAGS, {0, 0}, init, 0,
                                      get_factory};
