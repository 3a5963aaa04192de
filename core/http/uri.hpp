#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace certctl::http {

/// Decoded parameters of a query or form body, in order.
class Query {
 public:
  Query() = default;
  /// `a=1&b=x%20y`, `+` is a blank. Malformed escapes stay as they are.
  explicit Query(std::string_view encoded);

  /// The first value; nullopt: absent.
  std::optional<std::string> get(std::string_view name) const;
  std::string get_or(std::string_view name, std::string_view fallback) const;
  /// All values, in order.
  std::vector<std::string> all(std::string_view name) const;
  bool has(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& items() const { return items_; }

 private:
  std::vector<std::pair<std::string, std::string>> items_;
};

/// RFC 3986 §2.1. nullopt: a malformed escape.
std::optional<std::string> percent_decode(std::string_view text);
/// Everything but unreserved characters is escaped: fit for one path segment or query value.
std::string percent_encode(std::string_view text);

/// One path segment, decoded; nullopt by the rules of split_path().
std::optional<std::string> decode_segment(std::string_view raw);

/// Path segments, decoded. nullopt for what is refused with 400 before routing: no leading slash, `//`, `.` or `..` as
/// a segment (also escaped), backslash, control characters and NUL (also escaped), malformed escapes, invalid UTF-8.
/// `/a/b/` has an empty last segment.
std::optional<std::vector<std::string>> split_path(std::string_view raw_path);

/// An absolute http or https URL.
struct Url {
  std::string scheme;  ///< lower case
  std::string host;    ///< lower case; an IPv6 literal without brackets
  std::uint16_t port = 0;
  std::string target;  ///< path and query as sent, at least `/`

  bool secure() const { return scheme == "https"; }
  /// `host` or `host:port` where the port is not the scheme's own.
  std::string authority() const;
  std::string origin() const { return scheme + "://" + authority(); }
};

/// Throws Error(invalid): not http(s), user info, no host, bad port, a host that only getaddrinfo would read as an
/// address (`2130706433`, `0x7f.1`, `127.1`), blanks or control characters. A fragment is dropped.
Url parse_url(std::string_view text);

}  // namespace certctl::http
