#pragma once

/// The C++ way to write a plugin: derive from Issuer, Target or Notifier, export the class, describe it in
/// manifest.json. `certctl_add_plugin()` of CertctlPlugin.cmake builds it.
///
///     class ExampleCa final : public certctl::Issuer {
///      public:
///       explicit ExampleCa(certctl::Call& call) : url_(call.setting("/url")) {}
///       certctl::Status issue(certctl::Call& call) override;
///       static certctl::Status validate(certctl::Call& call);  // optional: what the schema cannot say
///      …
///     };
///     CERTCTL_PLUGIN(ExampleCa)

#include <certctl/http.hpp>
#include <certctl/issuer.hpp>
#include <certctl/notifier.hpp>
#include <certctl/process.hpp>
#include <certctl/target.hpp>

#include "certctl_manifest.h"  // generated from manifest.json

namespace certctl::bridge {

template <typename T>
struct Export {
  using K = Kind<typename T::ConnectorKind, T>;
  static_assert(K::kName == CERTCTL_MANIFEST_KIND, "the manifest's kind is not the class's");

  static constexpr certctl_descriptor kDescriptor = {
      sizeof(certctl_descriptor),       flags<T>(),
      constant(CERTCTL_MANIFEST_KIND),  constant(CERTCTL_MANIFEST_TYPE),
      constant(CERTCTL_MANIFEST_VERSION), {certctl_manifest, CERTCTL_MANIFEST_SIZE}};
  static constexpr const certctl_descriptor* kDescriptors[] = {&kDescriptor};
  static constexpr certctl_factory kFactory = {sizeof(certctl_factory), 1, kDescriptors, create<T>, destroy<T>,
                                               extension<T>, validator<T>(), chooser<T>(), migrator<T>()};
  static const void* get_factory(certctl_bytes id) noexcept {
    return view(id) == CERTCTL_FACTORY_ID ? &kFactory : nullptr;
  }
  static constexpr certctl_entry kEntry = {CERTCTL_MAGIC, sizeof(certctl_entry), CERTCTL_ABI_MAJOR, CERTCTL_ABI_MINOR,
                                           0, 0, {nullptr, 0}, init<T>, nullptr, get_factory};
};

}  // namespace certctl::bridge

/// Exports `Class` as the plugin's one connector. Once, at namespace scope.
#define CERTCTL_PLUGIN(Class) \
  extern "C" {                \
  constinit const certctl_entry certctl_plugin = certctl::bridge::Export<Class>::kEntry; \
  }
