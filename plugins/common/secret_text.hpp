#pragma once

#include <openssl/crypto.h>

#include <string>
#include <string_view>
#include <utility>

namespace certctl::common {

/// Bytes that may be a private key: overwritten on destruction, move-only, without a stream operator.
class SecretText {
 public:
  SecretText() = default;
  /// Takes the bytes over and overwrites what is left in the argument.
  explicit SecretText(std::string&& bytes) : bytes_(std::move(bytes)) { wipe(bytes); }
  static SecretText copy_of(std::string_view bytes) { return SecretText(std::string(bytes)); }

  SecretText(SecretText&& other) noexcept : bytes_(std::move(other.bytes_)) { wipe(other.bytes_); }
  SecretText& operator=(SecretText&& other) noexcept {
    if (this != &other) {
      wipe(bytes_);
      bytes_ = std::move(other.bytes_);
      wipe(other.bytes_);
    }
    return *this;
  }
  SecretText(const SecretText&) = delete;
  SecretText& operator=(const SecretText&) = delete;
  ~SecretText() { wipe(bytes_); }

  SecretText clone() const { return copy_of(bytes_); }
  std::string_view view() const { return bytes_; }
  bool empty() const { return bytes_.empty(); }

 private:
  static void wipe(std::string& bytes) {
    bytes.resize(bytes.capacity());
    OPENSSL_cleanse(bytes.data(), bytes.size());
    bytes.clear();
  }
  std::string bytes_;
};

}  // namespace certctl::common
