#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace certctl {

using Bytes = std::vector<std::uint8_t>;

/// Without leading and trailing blanks, tabs and line breaks.
std::string_view trim(std::string_view text);
/// Parts between separators; an empty text has one empty part.
std::vector<std::string_view> split(std::string_view text, char separator);
/// A setting's list: split at commas, trimmed, empty parts dropped.
std::vector<std::string> split_list(std::string_view text);
std::string join(std::span<const std::string> parts, std::string_view separator);
/// ASCII only: names, hosts, header fields.
std::string lower(std::string_view text);
bool equal_ignore_case(std::string_view a, std::string_view b);
bool starts_with_ignore_case(std::string_view text, std::string_view prefix);

/// Well-formed UTF-8 without surrogates and over-long forms.
bool is_utf8(std::string_view text);
/// Number of code points of well-formed UTF-8; PostgreSQL's varchar(n) counts these.
std::size_t count_characters(std::string_view text);
/// Control characters, DEL, bidi marks and malformed bytes made visible as \xNN / \u{…}; for logs and errors.
std::string printable(std::string_view text);
/// At most `limit` bytes, cut before a code point, with a trailing … when cut.
std::string shorten(std::string_view text, std::size_t limit);

std::string to_hex(std::span<const std::uint8_t> bytes);
/// Either case, no separators; nullopt: odd length or another character.
std::optional<Bytes> from_hex(std::string_view text);
std::string to_base64(std::span<const std::uint8_t> bytes);
std::optional<Bytes> from_base64(std::string_view text);
/// RFC 4648 §5 without padding.
std::string to_base64url(std::span<const std::uint8_t> bytes);

/// Whole text as a decimal integer; nullopt: anything else, or out of range.
std::optional<std::int64_t> parse_integer(std::string_view text);
std::optional<double> parse_decimal(std::string_view text);

std::span<const std::uint8_t> as_bytes(std::string_view text);
std::string_view as_text(std::span<const std::uint8_t> bytes);

}  // namespace certctl
