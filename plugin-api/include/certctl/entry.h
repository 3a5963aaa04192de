/* How a host finds a plugin: one exported constant, `certctl_plugin`, and behind it a factory that describes and makes
 * connectors.
 *
 *   host opens the file, reads the first 24 bytes of `certctl_plugin`, refuses what it cannot run
 *   host loads the file ──▶ init(host) once a mapping
 *                       ──▶ get_factory("certctl.factory/1") ──▶ descriptors (kind, type, version, manifest)
 *   for each row of settings: create(call) ──▶ instance ──▶ extension("certctl.issuer/1") ──▶ operations … destroy
 *   before the program exits: deinit()
 *
 * On the host's threads a plugin makes no pthread keys, signal handlers or masks, and calls no atexit, chdir, umask,
 * setlocale, setenv, fork or abort. */
#ifndef CERTCTL_ENTRY_H
#define CERTCTL_ENTRY_H

#include "call.h"
#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One kind of connector in this file. Static; the manifest (see the vendor's guide) says the same kind, type, version. */
typedef struct certctl_descriptor {
  uint32_t size;
  uint32_t flags;         /* CERTCTL_SERIAL or 0 */
  certctl_bytes kind;     /* "issuer", "target", "notifier"; open: others may follow */
  certctl_bytes type;     /* the name in the REST API: "GenericCA" */
  certctl_bytes version;  /* "1.4.2" */
  certctl_bytes manifest; /* JSON */
} certctl_descriptor;

enum { CERTCTL_SERIAL = 1 }; /* the host never makes two calls to one instance at a time */

CERTCTL_PLACE(certctl_descriptor, flags, 4);
CERTCTL_PLACE(certctl_descriptor, kind, 8);
CERTCTL_PLACE(certctl_descriptor, type, 24);
CERTCTL_PLACE(certctl_descriptor, version, 40);
CERTCTL_PLACE(certctl_descriptor, manifest, 56);
CERTCTL_ASSERT(sizeof(certctl_descriptor) == 72);

#define CERTCTL_FACTORY_ID "certctl.factory/1"

typedef struct certctl_factory {
  uint32_t size;
  uint32_t count; /* of descriptors */
  const certctl_descriptor* const* descriptors;

  /* Makes an instance of the connector named by CERTCTL_KEY_TYPE from the call's settings. No I/O, no waiting. */
  certctl_status (*create)(certctl_call* call, certctl_instance** out);

  /* No call of the instance is running. Ends its threads; within 5 s. */
  void (*destroy)(certctl_instance* instance);

  /* A table by id ("certctl.issuer/1"), or NULL. Asked after `create`; the answer stays the same for the life of the
   * instance, and the table is never freed. */
  const void* (*extension)(certctl_instance* instance, certctl_bytes id);

  /* The rest works without an instance, on settings that may not be saved yet; each may be null. */

  /* What a schema cannot say: all findings at once (CERTCTL_KEY_FINDING), no I/O. */
  certctl_status (*validate)(certctl_call* call);

  /* The choices of one setting that only the other side knows (CERTCTL_KEY_CHOICE_PATH → CERTCTL_KEY_CHOICE). */
  certctl_status (*options)(certctl_call* call);

  /* Takes settings or a checkpoint of an older version over (CERTCTL_KEY_OLD → CERTCTL_KEY_MIGRATED). */
  certctl_status (*migrate)(certctl_call* call);
} certctl_factory;

CERTCTL_PLACE(certctl_factory, count, 4);
CERTCTL_PLACE(certctl_factory, descriptors, 8);
CERTCTL_PLACE(certctl_factory, create, 16);
CERTCTL_PLACE(certctl_factory, destroy, 24);
CERTCTL_PLACE(certctl_factory, extension, 32);
CERTCTL_PLACE(certctl_factory, validate, 40);
CERTCTL_PLACE(certctl_factory, options, 48);
CERTCTL_PLACE(certctl_factory, migrate, 56);
CERTCTL_ASSERT(sizeof(certctl_factory) == 64);

/* "cctl", read as a little-endian number. */
#define CERTCTL_MAGIC 0x6c746363u

/* The first 24 bytes (magic … flags) outlive every major version and need no relocation: they are read from the file. */
typedef struct certctl_entry {
  uint32_t magic;
  uint32_t size;
  uint32_t abi_major;      /* CERTCTL_ABI_MAJOR; another one is refused */
  uint32_t abi_minor;      /* CERTCTL_ABI_MINOR of the headers it was built with */
  uint32_t min_host_minor; /* the oldest host it can live with; usually 0 */
  uint32_t flags;          /* 0; unknown ones are refused */
  certctl_bytes build_id;  /* free text: a commit, a time; may be empty */

  certctl_status (*init)(certctl_host* host); /* once a mapping; no threads, no I/O, under 1 s */
  void (*deinit)(void);                       /* before the program exits; may be null */
  const void* (*get_factory)(certctl_bytes id); /* [any thread] NULL for ids it does not know */
} certctl_entry;

CERTCTL_PLACE(certctl_entry, magic, 0);
CERTCTL_PLACE(certctl_entry, size, 4);
CERTCTL_PLACE(certctl_entry, abi_major, 8);
CERTCTL_PLACE(certctl_entry, abi_minor, 12);
CERTCTL_PLACE(certctl_entry, min_host_minor, 16);
CERTCTL_PLACE(certctl_entry, flags, 20);
CERTCTL_PLACE(certctl_entry, build_id, 24);
CERTCTL_PLACE(certctl_entry, init, 40);
CERTCTL_PLACE(certctl_entry, deinit, 48);
CERTCTL_PLACE(certctl_entry, get_factory, 56);
CERTCTL_ASSERT(sizeof(certctl_entry) == 64);

/* The one symbol a plugin exports. */
extern __attribute__((visibility("default"))) const certctl_entry certctl_plugin;

#ifdef __cplusplus
}
#endif

#endif
