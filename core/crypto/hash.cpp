#include "core/crypto/hash.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "core/crypto/library.hpp"

namespace certctl::crypto {
namespace {

EVP_MD* sha256_method() {
  static EVP_MD* const method = EVP_MD_fetch(library_context(), "SHA256", nullptr);
  if (method == nullptr) throw openssl_error("looking up SHA-256");
  return method;
}

}  // namespace

Digest256 sha256(std::span<const std::uint8_t> bytes) {
  Digest256 digest;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, sha256_method(), nullptr) != 1) {
    throw openssl_error("SHA-256");
  }
  return digest;
}

Digest256 sha256(std::string_view text) { return sha256(as_bytes(text)); }
std::string sha256_hex(std::span<const std::uint8_t> bytes) { return to_hex(sha256(bytes)); }
std::string sha256_hex(std::string_view text) { return to_hex(sha256(text)); }

Digest256 hmac_sha256(std::span<const std::uint8_t> key, std::span<const std::uint8_t> bytes) {
  static EVP_MAC* const method = EVP_MAC_fetch(library_context(), "HMAC", nullptr);
  if (method == nullptr) throw openssl_error("looking up HMAC");
  const Owned<EVP_MAC_CTX, EVP_MAC_CTX_free> context(EVP_MAC_CTX_new(method));
  char digest_name[] = "SHA256";
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name, 0),
                                   OSSL_PARAM_construct_end()};
  // An empty key must not be a null pointer: OpenSSL would take it for "keep the key of before".
  static constexpr std::uint8_t kEmpty = 0;
  const std::uint8_t* key_bytes = key.empty() ? &kEmpty : key.data();
  Digest256 digest;
  std::size_t size = 0;
  if (context == nullptr || EVP_MAC_init(context.get(), key_bytes, key.size(), parameters) != 1 ||
      EVP_MAC_update(context.get(), bytes.data(), bytes.size()) != 1 ||
      EVP_MAC_final(context.get(), digest.data(), &size, digest.size()) != 1) {
    throw openssl_error("HMAC-SHA256");
  }
  return digest;
}

}  // namespace certctl::crypto
