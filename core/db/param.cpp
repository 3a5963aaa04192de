#include "core/db/param.hpp"

#include <fmt/format.h>

#include "core/base/error.hpp"
#include "core/base/time.hpp"

namespace certctl::db {
namespace {

void append_array_element(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

void refuse_nul(std::string_view text) {
  if (text.find('\0') != std::string_view::npos)
    throw invalid("text holds the character U+0000, which cannot be stored");
}

}  // namespace

Param::Param(std::string_view text) : value_(text) { refuse_nul(text); }

Param::Param(double number) : value_(fmt::format("{}", number)) {}

Param::Param(Time time)
    : value_(time == Time::max()   ? "infinity"
             : time == Time::min() ? "-infinity"
                                   : format_time(time)) {}

Param::Param(Duration duration) : value_(fmt::format("{} microseconds", duration.count())) {}

Param::Param(const Bytes& bytes) : value_(as_text(bytes)), binary_(true) {}

Param::Param(const json::Raw& json) : value_(json.text) { refuse_nul(json.text); }

Param::Param(const std::vector<std::string>& texts) : value_("{") {
  for (const std::string& text : texts) {
    refuse_nul(text);
    if (value_.size() > 1) value_ += ',';
    append_array_element(value_, text);
  }
  value_ += '}';
}

Param::Param(const std::vector<std::int64_t>& numbers) : value_(fmt::format("{{{}}}", fmt::join(numbers, ","))) {}

}  // namespace certctl::db
