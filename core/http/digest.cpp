#include "core/http/digest.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "core/base/error.hpp"

namespace certctl::http {

OSSL_LIB_CTX* library_context() {
  static OSSL_LIB_CTX* const context = OSSL_LIB_CTX_new();
  if (context == nullptr) throw internal("OpenSSL library context cannot be made");
  return context;
}

Digest sha256(std::string_view bytes) {
  // Fetched once: an implicit fetch for each digest costs more than the digest.
  static EVP_MD* const algorithm = EVP_MD_fetch(library_context(), "SHA256", nullptr);
  Digest digest;
  unsigned int size = 0;
  if (algorithm == nullptr || EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, algorithm, nullptr) != 1 ||
      size != digest.size()) {
    throw internal("SHA-256 is not available in this OpenSSL");
  }
  return digest;
}

}  // namespace certctl::http
