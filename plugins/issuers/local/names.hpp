#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace certctl::local {

/// One subject alternative name; `value` as it stands in the certificate, except that an address is its literal.
struct San {
  enum class Kind { dns, ip, email, uri };
  Kind kind = Kind::dns;
  std::string value;
};

/// The most names one certificate may carry.
inline constexpr std::size_t kMaxNames = 1000;

/// The SANs of one certificate, in order, each once: DNS names and mail domains compare without case, addresses by value.
class NameSet {
 public:
  /// Throws Error(invalid_request) when the text is no name of that kind (ca-crl-ocsp.md §5.3).
  void add(San::Kind kind, std::string_view text);
  /// Puts a DNS name or address first unless it is there; other texts are left alone (a CN need not be a name).
  void lead_with(std::string_view common_name);
  bool contains(std::string_view value) const;
  bool has(San::Kind kind) const;

  const std::vector<San>& list() const { return names_; }

 private:
  void check_limits(const San& san) const;
  std::vector<San> names_;
};

/// 4 or 16 octets; an IPv4-mapped IPv6 address has 4. nullopt: no address literal.
std::optional<std::string> address_octets(std::string_view text);

/// The literal of 4 or 16 octets.
std::string address_literal(std::string_view octets);

/// ASCII host name: labels of 1..63 `[A-Za-z0-9_-]`, 253 in all, `*` only as the whole first label, last label not all
/// digits.
bool is_dns_name(std::string_view text);

}  // namespace certctl::local
