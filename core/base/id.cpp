#include "core/base/id.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "core/base/random.hpp"

namespace certctl {

std::string new_id(std::string_view prefix, const Clock& clock) {
  constexpr std::string_view kBase32 = "abcdefghijklmnopqrstuvwxyz234567";
  std::array<std::uint8_t, 10> random{};
  fill_random(random);
  std::string tail;
  for (const auto byte : random) tail += kBase32[byte & 0x1F];
  const auto nanos = std::chrono::duration_cast<std::chrono::nanoseconds>(clock.now().time_since_epoch()).count();
  return fmt::format("{}-{:019}-{}", prefix, nanos, tail);
}

std::string new_uuid() {
  std::array<std::uint8_t, 16> b{};
  fill_random(b);
  b[6] = std::uint8_t((b[6] & 0x0F) | 0x40);
  b[8] = std::uint8_t((b[8] & 0x3F) | 0x80);
  const std::string hex = to_hex(b);
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4), hex.substr(16, 4), hex.substr(20));
}

bool is_valid_id(std::string_view id) {
  const auto alphanumeric = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); };
  if (id.empty() || id.size() > 128 || !alphanumeric(id[0])) return false;
  return std::all_of(id.begin(), id.end(), [&](char c) { return alphanumeric(c) || c == '.' || c == '_' || c == ':' || c == '@' || c == '-'; });
}

}  // namespace certctl
