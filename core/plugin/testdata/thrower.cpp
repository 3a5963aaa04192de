// A plugin in C++ without the SDK, whose operation lets an exception out.
#include <stdexcept>

#include <certctl/entry.h>
#include <certctl/notifier.h>

#include "certctl_manifest.h"

namespace {

certctl_status send(certctl_instance*, certctl_call*) { throw std::runtime_error("out of the plugin"); }

constexpr certctl_notifier kTable = {sizeof(certctl_notifier), 0, send, nullptr};

certctl_status create(certctl_call*, certctl_instance** out) {
  static int instance;
  *out = reinterpret_cast<certctl_instance*>(&instance);
  return CERTCTL_OK;
}
void destroy(certctl_instance*) {}
const void* extension(certctl_instance*, certctl_bytes) { return &kTable; }

constexpr certctl_descriptor kDescriptor = {sizeof(certctl_descriptor),
                                            0,
                                            {"notifier", 8},
                                            {"Thrower", 7},
                                            {"1.0.0", 5},
                                            {certctl_manifest, CERTCTL_MANIFEST_SIZE}};
constexpr const certctl_descriptor* kDescriptors[] = {&kDescriptor};
constexpr certctl_factory kFactory = {
    sizeof(certctl_factory), 1, kDescriptors, create, destroy, extension, nullptr, nullptr, nullptr};
const void* get_factory(certctl_bytes) { return &kFactory; }

}  // namespace

extern "C" __attribute__((visibility("default"))) const certctl_entry certctl_plugin = {
    CERTCTL_MAGIC, sizeof(certctl_entry), CERTCTL_ABI_MAJOR, CERTCTL_ABI_MINOR, 0, 0, {nullptr, 0}, nullptr, nullptr,
    get_factory};
