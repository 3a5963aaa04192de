#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/base/text.hpp"

namespace certctl {

/// Text that must not leak: a key, a token, a passphrase. Zeroised on destruction, move-only, without a stream or
/// format operator; read only inside use().
class Secret {
 public:
  Secret() = default;
  /// Takes the bytes over and wipes the argument's own buffer.
  explicit Secret(std::string&& value);
  static Secret copy_of(std::string_view value) { return Secret(std::string(value)); }

  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  Secret clone() const { return copy_of(value_); }
  bool empty() const { return value_.empty(); }
  std::size_t size() const { return value_.size(); }

  /// The only way to the bytes: `secret.use([&](std::string_view text) { … })`. Do not keep the view.
  template <typename F>
  decltype(auto) use(F&& f) const {
    return std::forward<F>(f)(std::string_view(value_));
  }

 private:
  std::string value_;
};

/// Compares in constant time for equal lengths.
bool equal_constant_time(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b);

/// Overwrites memory in a way the compiler keeps.
void wipe(std::string& text);
void wipe(Bytes& bytes);

}  // namespace certctl
