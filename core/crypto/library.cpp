#include "core/crypto/library.hpp"

#include <openssl/crypto.h>
#include <openssl/err.h>

namespace certctl::crypto {

OSSL_LIB_CTX* library_context() {
  static OSSL_LIB_CTX* const context = [] {
    OSSL_LIB_CTX* made = OSSL_LIB_CTX_new();
    if (made == nullptr) throw internal("OpenSSL could not make a library context: " + openssl_reason());
    return made;
  }();
  return context;
}

bool reserve_key_memory() {
  constexpr std::size_t kArenaBytes = 1024 * 1024;
  constexpr std::size_t kLeastBlock = 32;
  return CRYPTO_secure_malloc_initialized() == 1 || CRYPTO_secure_malloc_init(kArenaBytes, kLeastBlock) == 1;
}

std::string openssl_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "no reason given";
  if (const char* reason = ERR_reason_error_string(code)) return reason;
  return "error " + std::to_string(code);
}

Error openssl_error(std::string_view what) { return internal(std::string(what) + " failed: " + openssl_reason()); }

}  // namespace certctl::crypto
