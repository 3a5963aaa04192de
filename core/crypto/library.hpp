#pragma once

#include <openssl/types.h>

#include <memory>
#include <string>
#include <string_view>

#include "core/base/error.hpp"

/// The one doorway to OpenSSL. All cryptography of certctl runs in a library context of its own, which is made at first
/// use and never freed: a thread that drew randomness from a freed context crashes when it ends.
namespace certctl::crypto {

OSSL_LIB_CTX* library_context();

/// Moves the big numbers of private keys into locked memory that no core dump holds. Call once, before the first key is
/// made; false: the kernel refused to lock, keys live in ordinary memory.
bool reserve_key_memory();

/// The oldest waiting error of OpenSSL as text fit for an error message (`bad decrypt`); empties the queue.
std::string openssl_reason();

/// Error(internal) `<what> failed: <reason of OpenSSL>`.
Error openssl_error(std::string_view what);

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
/// `Owned<BIO, BIO_free_all>`: an OpenSSL object that is freed by its own function.
template <typename T, auto Free>
using Owned = std::unique_ptr<T, Freed<Free>>;

}  // namespace certctl::crypto
