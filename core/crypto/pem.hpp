#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/secret.hpp"
#include "core/base/text.hpp"

namespace certctl::crypto {

/// The most that one DER object may hold (security.md §10).
inline constexpr std::size_t kMaxObjectBytes = 64 * 1024;

struct PemBlock {
  std::string label;  ///< `CERTIFICATE`
  Bytes der;
};

/// All blocks of `text` in their order; whatever stands between them is skipped. Throws Error(invalid) for a block
/// that is cut off, not base64 or larger than kMaxObjectBytes. Not for private keys: the bytes are not wiped.
std::vector<PemBlock> read_pem(std::string_view text);

/// RFC 7468 in its strict form: LF, 64 columns, one LF at the end.
std::string write_pem(std::string_view label, std::span<const std::uint8_t> der);
Secret write_secret_pem(std::string_view label, std::span<const std::uint8_t> der);

}  // namespace certctl::crypto
