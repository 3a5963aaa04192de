#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include <certctl/call.hpp>

#include "plugins/common/secret_text.hpp"

namespace certctl::common {

/// What the target's software will be asked to serve, after the checks of targets.md §2.3.
struct Material {
  std::string leaf;   ///< PEM
  std::string chain;  ///< PEM, nearest issuer first; may be empty
  SecretText key_pkcs8;     ///< PEM; empty: none was given
  SecretText key_original;  ///< PEM
  std::string fingerprint;  ///< hex SHA-256 of the leaf's DER
  std::string serial;       ///< lower hex
  std::chrono::system_clock::time_point not_after;
  std::string key_type;    ///< `RSA`, `ECDSA`, `Ed25519`, or another of OpenSSL's names
  std::string first_name;  ///< first DNS name of the leaf; empty: none
  std::vector<std::string> chain_fingerprints;
};

/// What stands in a file: its first certificate.
struct InstalledCertificate {
  std::string fingerprint;
  std::string serial;
  std::chrono::system_clock::time_point not_after;
  std::string key_type;
  std::string first_name;
};

/// Reads leaf, chain and key of a call. Throws Error(invalid_request), unless FORCE is set also for a certificate that
/// has expired or is not valid within five minutes: `private key does not belong to certificate …`. A chain out of
/// order is put in order, duplicates and a repeated leaf are dropped.
Material read_material(const Call& call);

/// The same from texts. `now`: to check the dates against; `force`: not at all.
Material check_material(std::string_view leaf, std::string_view chain, SecretText key_pkcs8, SecretText key_original,
                        bool force, std::chrono::system_clock::time_point now);

/// Throws Error(permanent) when the text holds no certificate.
InstalledCertificate read_certificate(std::string_view pem);

/// That a certificate text's first certificate belongs to the key in `key_pem`. Throws Error(invalid_request).
void check_pair(std::string_view certificate_pem, std::string_view key_pem);

}  // namespace certctl::common
