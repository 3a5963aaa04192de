#include "weak_key.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <string>

#include <fmt/format.h>

#include <certctl/status.hpp>

#include "plugins/common/openssl.hpp"

namespace certctl::local {

namespace {

using Number = common::Owned<BIGNUM, BN_free>;

Number parameter(EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &number) != 1) throw invalid_request("invalid CSR: its RSA key cannot be read");
  return Number(number);
}

bool has_small_factor(const BIGNUM* modulus) {
  for (BN_ULONG divisor = 3; divisor < 10000; divisor += 2) {
    if (BN_mod_word(modulus, divisor) == 0) return true;
  }
  return false;
}

/// The primes of a ROCA key are powers of 65537 modulo each of these, so its modulus is one, too; a random modulus
/// passes all of the tests with a probability below 2^-27.
bool has_roca_fingerprint(const BIGNUM* modulus) {
  constexpr auto kPrimes =
      std::to_array<unsigned>({11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157});
  return std::all_of(kPrimes.begin(), kPrimes.end(), [modulus](unsigned prime) {
    const auto residue = unsigned(BN_mod_word(modulus, prime));
    unsigned power = 1;
    do {
      if (power == residue) return true;
      power = power * (65537 % prime) % prime;
    } while (power != 1);
    return false;
  });
}

void check_rsa(EVP_PKEY* key) {
  const int bits = EVP_PKEY_get_bits(key);
  if (bits < 2048 || bits > 8192)
    throw invalid_request(fmt::format("CSR key (RSA {}-bit) must have 2048 to 8192 bits", bits));
  const Number exponent = parameter(key, OSSL_PKEY_PARAM_RSA_E);
  if (!BN_is_odd(exponent.get()) || BN_num_bits(exponent.get()) < 17) {
    throw invalid_request(fmt::format("CSR key (RSA {}-bit) must have an odd exponent of 65537 or more", bits));
  }
  const Number modulus = parameter(key, OSSL_PKEY_PARAM_RSA_N);
  if (!BN_is_odd(modulus.get()) || has_small_factor(modulus.get()) || has_roca_fingerprint(modulus.get())) {
    throw invalid_request("weak key");
  }
}

}  // namespace

void check_key(EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "ED25519")) return;
  if (EVP_PKEY_is_a(key, "RSA")) return check_rsa(key);
  std::array<char, 64> group{};
  std::size_t length = 0;
  if (EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group.data(), group.size(), &length) == 1) {
    const std::string_view name(group.data(), length);
    if (name == "prime256v1" || name == "secp384r1" || name == "secp521r1") return;
    throw invalid_request(fmt::format("CSR key is on the curve {}; P-256, P-384 and P-521 are supported", name));
  }
  const char* type = EVP_PKEY_get0_type_name(key);
  throw invalid_request(
      fmt::format("CSR key of type {} is not supported; use RSA, ECDSA or Ed25519", type ? type : "unknown"));
}

}  // namespace certctl::local
