#include "core/base/secret.hpp"

#include <openssl/crypto.h>

#include <utility>

namespace certctl {

void wipe(std::string& text) {
  OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

void wipe(Bytes& bytes) {
  OPENSSL_cleanse(bytes.data(), bytes.size());
  bytes.clear();
}

Secret::Secret(std::string&& value) : value_(value) { wipe(value); }

Secret::Secret(Secret&& other) noexcept : value_(other.value_) { wipe(other.value_); }

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe(value_);
    value_ = other.value_;
    wipe(other.value_);
  }
  return *this;
}

Secret::~Secret() { wipe(value_); }

bool equal_constant_time(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace certctl
