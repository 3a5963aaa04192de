#include "unicode.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include <fmt/format.h>

namespace certctl::local {

namespace {

struct CodePoint {
  char32_t value;
  std::size_t offset;
};

/// Malformed bytes come out as U+FFFD.
std::vector<CodePoint> code_points(std::string_view text) {
  std::vector<CodePoint> points;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = std::uint8_t(text[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 0;
    if (length == 0 || i + length > text.size()) {
      points.push_back({0xFFFD, i++});
      continue;
    }
    char32_t value = length == 1 ? lead : lead & (0xFF >> (length + 1));
    for (std::size_t k = 1; k < length; ++k) value = (value << 6) | (std::uint8_t(text[i + k]) & 0x3F);
    points.push_back({value, i});
    i += length;
  }
  return points;
}

bool within(char32_t value, char32_t first, char32_t last) { return value >= first && value <= last; }

bool is_bidi_override(char32_t c) { return within(c, 0x202A, 0x202E) || within(c, 0x2066, 0x2069); }
bool is_zero_width(char32_t c) { return within(c, 0x200B, 0x200D) || c == 0x2060 || c == 0xFEFF; }
bool is_control(char32_t c) { return c < 0x20 || within(c, 0x7F, 0x9F); }

bool is_ascii_letter_or_digit(char32_t c) { return within(c, '0', '9') || within(c, 'A', 'Z') || within(c, 'a', 'z'); }

/// Letters, digits and marks beyond ASCII: everything but the blocks of punctuation, symbols and private use.
bool is_script_character(char32_t c) {
  struct Range {
    char32_t first, last;
  };
  static constexpr auto kOther = std::to_array<Range>({
      {0xA0, 0xA9},     {0xAB, 0xB4},     {0xB6, 0xB9},       {0xBB, 0xBF},     {0xD7, 0xD7},     {0xF7, 0xF7},
      {0x2000, 0x2070}, {0x207A, 0x207E}, {0x208A, 0x208E},   {0x20A0, 0x20CF}, {0x2190, 0x245F}, {0x2500, 0x2BFF},
      {0x2E00, 0x2E7F}, {0x3000, 0x3004}, {0x3008, 0x3020},   {0xE000, 0xF8FF}, {0xFE10, 0xFE1F}, {0xFE30, 0xFE6F},
      {0xFF00, 0xFF0F}, {0xFFFD, 0xFFFD}, {0x1F000, 0x1FAFF},
  });
  return c >= 0x80 &&
         std::none_of(kOther.begin(), kOther.end(), [c](const Range& r) { return within(c, r.first, r.last); });
}

std::string at(std::string_view what, const CodePoint& point) {
  return fmt::format("{} U+{:04X} at byte offset {}", what, std::uint32_t(point.value), point.offset);
}

}  // namespace

std::optional<std::string> deceptive_character(std::string_view text) {
  const std::vector<CodePoint> points = code_points(text);
  for (const CodePoint& point : points) {
    if (is_bidi_override(point.value)) return at("contains bidirectional override character", point);
    if (is_zero_width(point.value)) return at("contains zero-width character", point);
    if (is_control(point.value)) return at("contains control character", point);
  }
  for (auto label = points.begin(); label != points.end();) {
    const auto end = std::find_if(label, points.end(), [](const CodePoint& p) { return p.value == '.'; });
    const bool ascii = std::any_of(label, end, [](const CodePoint& p) { return is_ascii_letter_or_digit(p.value); });
    const auto foreign = std::find_if(label, end, [](const CodePoint& p) { return is_script_character(p.value); });
    if (ascii && foreign != end) {
      const std::size_t stop = end == points.end() ? text.size() : end->offset;
      const std::string_view name = text.substr(label->offset, stop - label->offset);
      return fmt::format("label \"{}\" {}", name, at("mixes ASCII with non-ASCII script character", *foreign));
    }
    label = end == points.end() ? end : end + 1;
  }
  return std::nullopt;
}

}  // namespace certctl::local
