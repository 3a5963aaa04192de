#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "core/base/text.hpp"

namespace certctl::crypto {

using Digest256 = std::array<std::uint8_t, 32>;

Digest256 sha256(std::span<const std::uint8_t> bytes);
Digest256 sha256(std::string_view text);
/// 64 lower-case hex digits.
std::string sha256_hex(std::span<const std::uint8_t> bytes);
std::string sha256_hex(std::string_view text);

Digest256 hmac_sha256(std::span<const std::uint8_t> key, std::span<const std::uint8_t> bytes);

}  // namespace certctl::crypto
