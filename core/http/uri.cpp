#include "core/http/uri.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/http/address.hpp"

namespace certctl::http {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decode_form(std::string_view text) {
  std::string plain(text);
  for (char& c : plain) {
    if (c == '+') c = ' ';
  }
  return percent_decode(plain).value_or(plain);
}

bool has_control(std::string_view text) {
  for (const char c : text) {
    if (std::uint8_t(c) < 0x20 || c == 0x7f) return true;
  }
  return false;
}

/// A host of digits, dots and hex that inet_aton would read as an address, though it is not written like one.
bool is_disguised_address(const std::string& host) {
  in_addr ignored{};
  return ::inet_aton(host.c_str(), &ignored) != 0 && !IpAddress::parse(host);
}

bool is_host_name(std::string_view host) {
  if (host.empty() || host.size() > 253 || host.front() == '.' || host.front() == '-') return false;
  for (const char c : host) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    if (!fine) return false;
  }
  return host.find("..") == std::string_view::npos;
}

}  // namespace

Query::Query(std::string_view encoded) {
  if (encoded.empty()) return;
  for (const auto part : split(encoded, '&')) {
    if (part.empty()) continue;
    const auto equals = part.find('=');
    items_.emplace_back(decode_form(part.substr(0, equals)),
                        equals == std::string_view::npos ? std::string() : decode_form(part.substr(equals + 1)));
  }
}

std::optional<std::string> Query::get(std::string_view name) const {
  for (const auto& [key, value] : items_) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::string Query::get_or(std::string_view name, std::string_view fallback) const {
  auto value = get(name);
  return value ? std::move(*value) : std::string(fallback);
}

std::vector<std::string> Query::all(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& [key, value] : items_) {
    if (key == name) values.push_back(value);
  }
  return values;
}

bool Query::has(std::string_view name) const { return get(name).has_value(); }

std::optional<std::string> percent_decode(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    plain += char(high * 16 + low);
    i += 2;
  }
  return plain;
}

std::string percent_encode(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const bool unreserved = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                            c == '.' || c == '_' || c == '~';
    if (unreserved)
      encoded += c;
    else
      encoded += fmt::format("%{:02X}", std::uint8_t(c));
  }
  return encoded;
}

std::optional<std::string> decode_segment(std::string_view raw) {
  auto segment = percent_decode(raw);
  const bool fine = segment && *segment != "." && *segment != ".." && !has_control(*segment) &&
                    segment->find('\\') == std::string::npos && is_utf8(*segment);
  return fine ? std::move(segment) : std::nullopt;
}

std::optional<std::vector<std::string>> split_path(std::string_view raw_path) {
  if (raw_path.empty() || raw_path.front() != '/') return std::nullopt;
  std::vector<std::string> segments;
  const auto parts = split(raw_path.substr(1), '/');
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].empty() && i + 1 < parts.size()) return std::nullopt;  // `//`
    auto segment = decode_segment(parts[i]);
    if (!segment) return std::nullopt;
    segments.push_back(std::move(*segment));
  }
  return segments;
}

std::string Url::authority() const {
  const std::string shown = host.find(':') == std::string::npos ? host : "[" + host + "]";
  const bool own_port = port == (secure() ? 443 : 80);
  return own_port ? shown : fmt::format("{}:{}", shown, port);
}

Url parse_url(std::string_view text) {
  const auto refuse = [](std::string_view why) { return invalid("invalid URL: " + std::string(why)); };
  if (has_control(text) || text.find(' ') != std::string_view::npos) throw refuse("blanks or control characters");
  const auto scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) throw refuse("http:// or https:// is missing");
  Url url;
  url.scheme = lower(text.substr(0, scheme_end));
  if (url.scheme != "http" && url.scheme != "https") throw refuse("the scheme must be http or https");

  std::string_view rest = text.substr(scheme_end + 3);
  rest = rest.substr(0, rest.find('#'));
  const auto authority_end = rest.find_first_of("/?\\");
  std::string_view authority = rest.substr(0, authority_end);
  url.target = authority_end == std::string_view::npos ? "/" : std::string(rest.substr(authority_end));
  if (url.target.find('\\') != std::string::npos) throw refuse("backslash");
  if (url.target.front() == '?') url.target.insert(0, 1, '/');
  if (authority.find('@') != std::string_view::npos) throw refuse("user information is not allowed");

  std::string_view port;
  if (!authority.empty() && authority.front() == '[') {
    const auto bracket = authority.find(']');
    if (bracket == std::string_view::npos) throw refuse("unbalanced bracket");
    url.host = lower(authority.substr(1, bracket - 1));
    const auto literal = IpAddress::parse(url.host);
    if (!literal || literal->is_v4()) throw refuse("the host in brackets is not an IPv6 address");
    url.host = literal->to_text();
    port = authority.substr(bracket + 1);
    if (!port.empty() && port.front() != ':') throw refuse("text after the bracket");
  } else {
    const auto colon = authority.find(':');
    url.host = lower(authority.substr(0, colon));
    port = colon == std::string_view::npos ? std::string_view() : authority.substr(colon);
    if (is_disguised_address(url.host)) throw refuse("the host is an address that is not written in canonical form");
    if (!is_host_name(url.host)) throw refuse(url.host.empty() ? "the host is missing" : "bad host name");
    if (url.host.back() == '.') url.host.pop_back();
  }
  url.port = url.secure() ? 443 : 80;
  if (!port.empty() && port != ":") {
    const auto number = parse_integer(port.substr(1));
    if (!number || *number < 1 || *number > 65535) throw refuse("bad port");
    url.port = std::uint16_t(*number);
  }
  return url;
}

}  // namespace certctl::http
