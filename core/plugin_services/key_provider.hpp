#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/base/text.hpp"
#include "core/plugin/settings.hpp"

namespace certctl::plugin {

/// Which key a plugin means.
struct KeyUse {
  std::string_view instance_id;  ///< the issuer's row
  const Settings& settings;      ///< of the issuer
  std::string_view ref;          ///< `ca_ref` of the request; empty: the key that signs for this issuer now
};

struct KeyDescription {
  std::string ref;
  std::string algorithm;     ///< `ECDSA-P256`, `RSA-3072`
  Bytes spki;                ///< DER
  std::string certificates;  ///< PEM, the key's own first, up to the root
  bool persistent = true;    ///< false: lost with the process
};

/// Where the keys behind the service `keys` live. Plugins never see a private key. Thread-safe; each member may block
/// and throws certctl::Error: not_found for a reference that names no key of this issuer, unavailable for a key that
/// cannot be used now.
class KeyProvider {
 public:
  virtual ~KeyProvider() = default;
  virtual KeyDescription describe(const KeyUse& use) = 0;
  /// `digest` was made with `digest_name` (`SHA256`). DER for ECDSA, PKCS#1 v1.5 for RSA.
  virtual Bytes sign(const KeyUse& use, std::string_view digest_name, std::span<const std::uint8_t> digest) = 0;
};

}  // namespace certctl::plugin
