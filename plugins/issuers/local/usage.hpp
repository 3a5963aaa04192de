#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace certctl::local {

/// What a leaf's key may be used for (ca-crl-ocsp.md §5.5).
struct Usage {
  std::vector<std::string> extended;  ///< dotted OIDs, in the order asked for
  bool extended_critical = false;     ///< timeStamping only (RFC 3161 §2.3)
  std::uint32_t key_usage = 0;        ///< KU_ bits of OpenSSL
  bool email = false;                 ///< emailProtection is among them
};

/// `wanted`: names of profiles (`serverAuth`) or dotted OIDs; empty: serverAuth and clientAuth. `compat`: keyEncipherment
/// on EC keys as upstream sets it. Throws Error(invalid_request) `unknown EKU "<x>"`.
Usage usage_for(const std::vector<std::string>& wanted, EVP_PKEY* key, bool compat);

}  // namespace certctl::local
