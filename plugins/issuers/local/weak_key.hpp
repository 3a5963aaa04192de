#pragma once

#include <openssl/types.h>

namespace certctl::local {

/// Throws Error(invalid_request) unless the key may be certified: RSA 2048..8192 bits with an odd exponent ≥ 65537,
/// P-256, P-384, P-521, Ed25519; `weak key` for an RSA modulus with small factors or of the ROCA family (CVE-2017-15361).
void check_key(EVP_PKEY* key);

}  // namespace certctl::local
