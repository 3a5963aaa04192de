#include "core/base/time.hpp"

#include <fmt/format.h>

#include <cctype>
#include <cstdint>
#include <cmath>

namespace certctl {
namespace {

using namespace std::chrono;

struct Civil {
  int year;
  unsigned month, day, hour, minute, second, micros;
};

Civil civil(Time time) {
  const auto days = floor<std::chrono::days>(time);
  const year_month_day date(days);
  auto rest = time - days;
  const auto h = duration_cast<hours>(rest);
  rest -= h;
  const auto m = duration_cast<minutes>(rest);
  rest -= m;
  const auto s = duration_cast<seconds>(rest);
  rest -= s;
  return {int(date.year()),       unsigned(date.month()), unsigned(date.day()),  unsigned(h.count()),
          unsigned(m.count()), unsigned(s.count()),    unsigned(rest.count())};
}

/// Reads exactly `digits` digits at `at`, advancing it; -1: something else stands there.
int digits(std::string_view text, std::size_t& at, std::size_t count) {
  if (at + count > text.size()) return -1;
  int value = 0;
  for (std::size_t i = 0; i < count; ++i, ++at) {
    if (text[at] < '0' || text[at] > '9') return -1;
    value = value * 10 + (text[at] - '0');
  }
  return value;
}

bool expect(std::string_view text, std::size_t& at, char wanted) {
  if (at >= text.size() || text[at] != wanted) return false;
  ++at;
  return true;
}

}  // namespace

std::string format_time(Time time) {
  const Civil c = civil(time);
  std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", c.year, c.month, c.day, c.hour, c.minute, c.second);
  if (c.micros != 0) {
    std::string fraction = fmt::format("{:06}", c.micros);
    while (fraction.back() == '0') fraction.pop_back();
    text += '.' + fraction;
  }
  return text + 'Z';
}

std::string format_date(Time time) {
  const Civil c = civil(time);
  return fmt::format("{:04}-{:02}-{:02}", c.year, c.month, c.day);
}

std::optional<Time> parse_time(std::string_view text) {
  std::size_t at = 0;
  const int y = digits(text, at, 4);
  if (y < 0 || !expect(text, at, '-')) return std::nullopt;
  const int mo = digits(text, at, 2);
  if (mo < 0 || !expect(text, at, '-')) return std::nullopt;
  const int d = digits(text, at, 2);
  if (d < 0) return std::nullopt;
  if (!expect(text, at, 'T') && !expect(text, at, 't') && !expect(text, at, ' ')) return std::nullopt;
  const int h = digits(text, at, 2);
  if (h < 0 || !expect(text, at, ':')) return std::nullopt;
  const int mi = digits(text, at, 2);
  if (mi < 0 || !expect(text, at, ':')) return std::nullopt;
  const int s = digits(text, at, 2);
  if (s < 0) return std::nullopt;
  std::int64_t micros = 0;
  if (at < text.size() && text[at] == '.') {
    ++at;
    std::size_t seen = 0;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, ++seen) {
      if (seen < 6) micros = micros * 10 + (text[at] - '0');
    }
    if (seen == 0) return std::nullopt;
    for (; seen < 6; ++seen) micros *= 10;
  }
  minutes offset{0};
  if (at < text.size() && (text[at] == 'Z' || text[at] == 'z')) {
    ++at;
  } else if (at < text.size() && (text[at] == '+' || text[at] == '-')) {
    const bool negative = text[at++] == '-';
    const int oh = digits(text, at, 2);
    if (oh < 0 || oh > 23 || !expect(text, at, ':')) return std::nullopt;
    const int om = digits(text, at, 2);
    if (om < 0 || om > 59) return std::nullopt;
    offset = minutes(oh * 60 + om) * (negative ? -1 : 1);
  } else {
    return std::nullopt;
  }
  const year_month_day date{year(y), month(unsigned(mo)), day(unsigned(d))};
  if (at != text.size() || !date.ok() || h > 23 || mi > 59 || s > 60) return std::nullopt;
  return Time(sys_days(date)) + hours(h) + minutes(mi) + seconds(s) + microseconds(micros) - offset;
}

bool is_zero_time(Time time) { return time == Time(sys_days(year(1) / 1 / 1)); }

std::optional<Duration> parse_duration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  bool negative = false;
  if (text[0] == '-' || text[0] == '+') {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text == "0") return Duration(0);
  long double total = 0;
  bool any = false;
  while (!text.empty()) {
    long double value = 0, scale = 1;
    bool seen = false, point = false;
    while (!text.empty() && (std::isdigit(static_cast<unsigned char>(text[0])) || (text[0] == '.' && !point))) {
      if (text[0] == '.') {
        point = true;
      } else {
        seen = true;
        value = value * 10 + (text[0] - '0');
        if (point) scale *= 10;
      }
      text.remove_prefix(1);
    }
    if (!seen) return std::nullopt;
    static constexpr struct { std::string_view name; long double micros; } kUnits[] = {
        {"ns", 1e-3L}, {"us", 1}, {"µs", 1}, {"ms", 1e3L}, {"s", 1e6L}, {"m", 60e6L}, {"h", 3600e6L}, {"d", 86400e6L}};
    const auto* unit = static_cast<decltype(&kUnits[0])>(nullptr);
    for (const auto& candidate : kUnits) {
      const bool fits = text.substr(0, candidate.name.size()) == candidate.name;
      if (fits && (unit == nullptr || candidate.name.size() > unit->name.size())) unit = &candidate;
    }
    if (unit == nullptr) return std::nullopt;
    text.remove_prefix(unit->name.size());
    total += value / scale * unit->micros;
    any = true;
  }
  if (!any || total > 9.1e18L) return std::nullopt;
  const auto micros = static_cast<std::int64_t>(std::llround(total));
  return Duration(negative ? -micros : micros);
}

std::string format_duration(Duration duration) {
  std::int64_t micros = duration.count();
  if (micros == 0) return "0s";
  std::string sign;
  if (micros < 0) {
    sign = "-";
    micros = -micros;
  }
  const auto trimmed = [](std::int64_t whole, std::int64_t part, int width) {
    std::string text = fmt::format("{}", whole);
    if (part != 0) {
      std::string fraction = fmt::format("{:0{}}", part, width);
      while (fraction.back() == '0') fraction.pop_back();
      text += '.' + fraction;
    }
    return text;
  };
  if (micros < 1000) return sign + fmt::format("{}µs", micros);
  if (micros < 1'000'000) return sign + trimmed(micros / 1000, micros % 1000, 3) + "ms";
  const std::int64_t total_seconds = micros / 1'000'000;
  const std::string s = trimmed(total_seconds % 60, micros % 1'000'000, 6) + "s";
  const std::int64_t total_minutes = total_seconds / 60;
  if (total_minutes == 0) return sign + s;
  if (total_minutes < 60) return sign + fmt::format("{}m", total_minutes) + s;
  return sign + fmt::format("{}h{}m", total_minutes / 60, total_minutes % 60) + s;
}

}  // namespace certctl
