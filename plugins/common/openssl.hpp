#pragma once

#include <openssl/types.h>

#include <memory>
#include <string>
#include <string_view>

namespace certctl::common {

/// The plugin's own library context (plugin-abi.md rule 11), never freed. Call it once from `init`, so that no call
/// pays for making it. Throws Error(internal).
OSSL_LIB_CTX* library_context();

/// The oldest waiting error of OpenSSL; empties the queue.
std::string openssl_reason();

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
template <typename T, auto Free>
using Owned = std::unique_ptr<T, Freed<Free>>;

/// SHA-256 as 32 raw bytes, or 64 lower-case hex digits.
std::string sha256(std::string_view bytes);
std::string sha256_hex(std::string_view bytes);
std::string to_hex(std::string_view bytes);
/// HMAC-SHA256, 32 raw bytes.
std::string hmac_sha256(std::string_view key, std::string_view bytes);
std::string to_base64(std::string_view bytes);
/// Empty: not base64.
std::string from_base64(std::string_view text);

}  // namespace certctl::common
