#include "plugins/common/settings.hpp"

#include <arpa/inet.h>

#include <charconv>

#include <certctl/status.hpp>

namespace certctl::common {
namespace {

template <typename I>
std::optional<I> integer(std::string_view text, int base = 10) {
  I value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// One number with its unit, in nanoseconds; moves `text` behind it.
std::optional<double> take_part(std::string_view& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || number < 0) return std::nullopt;
  text.remove_prefix(std::size_t(end - text.data()));
  struct Unit {
    std::string_view name;
    double nanoseconds;
  };
  // The longer names first: `ms` is not a minute.
  static constexpr Unit kUnits[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
  for (const Unit& unit : kUnits) {
    if (!text.starts_with(unit.name)) continue;
    text.remove_prefix(unit.name.size());
    return number * unit.nanoseconds;
  }
  return std::nullopt;
}

}  // namespace

mode_t parse_mode(std::string_view name, std::string_view text) {
  std::optional<unsigned> mode;
  if (text.starts_with("0o")) {
    mode = integer<unsigned>(text.substr(2), 8);
  } else if (text.starts_with("0") && text.size() > 1) {
    mode = integer<unsigned>(text, 8);
  } else {
    mode = integer<unsigned>(text);
  }
  if (mode && *mode <= 0777) return mode_t(*mode);
  const bool octal_digits = text.size() == 3 && text.find_first_not_of("01234567") == std::string_view::npos;
  throw invalid_config(std::string(name) + " " + std::string(text) + " is not an octal mode; write \"" +
                           (octal_digits ? "0" + std::string(text) : std::string("0640")) + "\"",
                       "/" + std::string(name));
}

std::chrono::milliseconds parse_duration(std::string_view name, std::string_view text) {
  const auto bad = [&] {
    return invalid_config(
        std::string(name) + " is not a duration: write nanoseconds as a number, or \"10s\", \"1m30s\"",
        "/" + std::string(name));
  };
  if (const auto nanoseconds = integer<std::int64_t>(text)) {
    if (*nanoseconds < 0) throw bad();
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::nanoseconds(*nanoseconds));
  }
  double total = 0;
  std::string_view rest = text;
  do {
    const auto part = take_part(rest);
    if (!part) throw bad();
    total += *part;
  } while (!rest.empty());
  if (total > 86400e9) throw bad();
  return std::chrono::milliseconds(std::int64_t(total / 1e6));
}

std::string Endpoint::text() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::optional<Endpoint> parse_endpoint(std::string_view text, std::uint16_t default_port) {
  Endpoint endpoint{std::string(text), default_port};
  std::string_view port;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    endpoint.host = text.substr(1, end - 1);
    if (text.size() > end + 1 && text[end + 1] != ':') return std::nullopt;
    if (text.size() > end + 1) port = text.substr(end + 2);
    if (text.size() > end + 1 && port.empty()) return std::nullopt;
  } else if (const auto colon = text.find(':');
             colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos) {
    endpoint.host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (port.empty()) return std::nullopt;
  }
  if (!port.empty()) {
    const auto number = integer<std::uint16_t>(port);
    if (!number || *number == 0) return std::nullopt;
    endpoint.port = *number;
  }
  const bool clean = endpoint.host.find_first_of(" /\\@?#\t\r\n") == std::string::npos;
  if (endpoint.host.empty() || endpoint.port == 0 || !clean) return std::nullopt;
  return endpoint;
}

bool is_address(std::string_view host) {
  unsigned char octets[16];
  const std::string text(host);
  return ::inet_pton(AF_INET, text.c_str(), octets) == 1 || ::inet_pton(AF_INET6, text.c_str(), octets) == 1;
}

std::string path_fault(std::string_view path) {
  if (path.empty()) return "path is empty";
  if (path.find('\0') != std::string_view::npos) return "path holds a NUL";
  if (!path.starts_with('/')) return "path is not absolute";
  if (path.ends_with('/')) return "path names a directory";
  std::string_view rest = path;
  while (!rest.empty()) {
    const auto slash = rest.find('/');
    if (rest.substr(0, slash) == "..") return "path holds a \"..\"";
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  }
  return {};
}

}  // namespace certctl::common
