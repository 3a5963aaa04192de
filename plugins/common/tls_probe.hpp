#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "plugins/common/settings.hpp"

/// What a server really serves (targets.md §4).
namespace certctl::common {

struct ProbeRequest {
  Endpoint endpoint;
  std::string server_name;  ///< SNI; empty: none is sent
  /// Key type of the leaf that is expected (`RSA`, `ECDSA`, `Ed25519`): a server with several certificates then shows
  /// the one that was deployed. Empty or another: all types are offered.
  std::string key_type;
  std::chrono::milliseconds timeout{10'000};  ///< connecting and handshake
};

struct Served {
  std::string fingerprint;  ///< hex SHA-256 of the leaf's DER
  std::vector<std::string> chain_fingerprints;
  std::string address;  ///< the address that answered
};

/// Every address of the endpoint's name, in the resolver's order. Throws Error(transient) `TLS probe failed: …`.
std::vector<std::string> resolve(const Endpoint& endpoint);

/// One fresh TLS 1.2–1.3 handshake without resumption and without any trust: self-signed, expired and private
/// certificates are the normal case. `address` is one of resolve(). Throws Error(transient) `TLS probe failed: …`.
Served probe(const ProbeRequest& request, const std::string& address);

}  // namespace certctl::common
