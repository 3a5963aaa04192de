#include "core/service/plain_text.hpp"

#include <algorithm>

namespace certctl::service {
namespace {

struct CodePoint {
  char32_t value;
  std::size_t size;
};

CodePoint first_of(std::string_view utf8) {
  const auto byte = [&](std::size_t i) { return i < utf8.size() ? char32_t(static_cast<unsigned char>(utf8[i])) : 0u; };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xe0) return {(lead & 0x1f) << 6 | (byte(1) & 0x3f), 2};
  if (lead < 0xf0) return {(lead & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f), 3};
  return {(lead & 0x07) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f), 4};
}

bool is_dropped(char32_t c) {
  const auto between = [c](char32_t from, char32_t to) { return c >= from && c <= to; };
  if (c == '\t') return false;
  const bool control = c < 0x20 || between(0x7f, 0x9f);
  const bool direction = between(0x202a, 0x202e) || between(0x2066, 0x2069);
  const bool invisible = between(0x200b, 0x200d) || between(0x2060, 0x2063) || c == 0xfeff || c == 0x180e;
  return control || direction || invisible || c == 0xfffd;
}

}  // namespace

std::string plain_text(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const CodePoint c = first_of(text);
    if (c.value == '\r' || c.value == '\n') {
      const bool pair = c.value == '\r' && text.size() > 1 && text[1] == '\n';
      out += ' ';
      text.remove_prefix(pair ? 2 : 1);
      continue;
    }
    if (!is_dropped(c.value)) out += text.substr(0, c.size);
    text.remove_prefix(std::min(c.size, text.size()));
  }
  return out;
}

}  // namespace certctl::service
