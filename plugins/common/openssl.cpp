#include "plugins/common/openssl.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <certctl/status.hpp>

namespace certctl::common {
namespace {

const unsigned char* raw(std::string_view bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }

}  // namespace

OSSL_LIB_CTX* library_context() {
  static OSSL_LIB_CTX* const context = OSSL_LIB_CTX_new();
  if (context == nullptr) throw Error(Status::internal, "OpenSSL could not make a library context");
  return context;
}

std::string openssl_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "no reason given";
  if (const char* reason = ERR_reason_error_string(code)) return reason;
  return "error " + std::to_string(code);
}

std::string sha256(std::string_view bytes) {
  const Owned<EVP_MD, EVP_MD_free> method(EVP_MD_fetch(library_context(), "SHA256", nullptr));
  std::string digest(32, '\0');
  if (method == nullptr || EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()),
                                      nullptr, method.get(), nullptr) != 1) {
    throw Error(Status::internal, "SHA-256 failed: " + openssl_reason());
  }
  return digest;
}

std::string to_hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    hex.push_back(kDigits[byte >> 4]);
    hex.push_back(kDigits[byte & 15]);
  }
  return hex;
}

std::string sha256_hex(std::string_view bytes) { return to_hex(sha256(bytes)); }

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
  const Owned<EVP_MAC, EVP_MAC_free> method(EVP_MAC_fetch(library_context(), "HMAC", nullptr));
  const Owned<EVP_MAC_CTX, EVP_MAC_CTX_free> context(method ? EVP_MAC_CTX_new(method.get()) : nullptr);
  char digest_name[] = "SHA256";
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name, 0),
                                   OSSL_PARAM_construct_end()};
  std::string code(32, '\0');
  std::size_t size = 0;
  if (context == nullptr || EVP_MAC_init(context.get(), raw(key), key.size(), parameters) != 1 ||
      EVP_MAC_update(context.get(), raw(bytes), bytes.size()) != 1 ||
      EVP_MAC_final(context.get(), reinterpret_cast<unsigned char*>(code.data()), &size, code.size()) != 1) {
    throw Error(Status::internal, "HMAC-SHA256 failed: " + openssl_reason());
  }
  return code;
}

std::string to_base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), raw(bytes), int(bytes.size()));
  text.resize(std::size_t(size));
  return text;
}

std::string from_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return {};
  std::string bytes(text.size() / 4 * 3, '\0');
  if (EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()), raw(text), int(text.size())) < 0) {
    ERR_clear_error();
    return {};
  }
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  bytes.resize(bytes.size() - padding);
  return bytes;
}

}  // namespace certctl::common
