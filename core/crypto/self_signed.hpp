#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "core/base/clock.hpp"
#include "core/crypto/certificate.hpp"
#include "core/crypto/key.hpp"

namespace certctl::crypto {

/// A certificate with its private key and the certificates that lead to its root (nearest first, may be empty).
struct Identity {
  PrivateKey key;
  Certificate certificate;
  std::vector<Certificate> chain = {};

  std::string full_pem() const;  ///< certificate, then chain
};

struct RootOptions {
  std::string common_name = "certctl Local CA";
  std::string key_algorithm = "ECDSA-P256";  ///< see PrivateKey::generate()
  std::chrono::days validity{3650};
};

/// A root CA (ca-crl-ocsp.md §3): v3, CN only, critical CA:TRUE without pathLen, critical keyCertSign+cRLSign, random
/// serial of 20 octets, key identifiers.
Identity make_root(const RootOptions& options, Time now);

struct ServerOptions {
  std::vector<std::string> names;  ///< host names and addresses; the first that fits is the common name
  std::string key_algorithm = "ECDSA-P256";
  std::chrono::seconds validity = std::chrono::days(365);
  std::chrono::seconds backdate = std::chrono::minutes(5);
};

/// A TLS server certificate (serverAuth) with a new key, signed by `root`, never valid beyond it.
Identity issue_server_certificate(const Identity& root, const ServerOptions& options, Time now);

}  // namespace certctl::crypto
