#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct sockaddr;

namespace certctl::http {

/// An IPv4 or IPv6 address without scope. An IPv4-mapped IPv6 address stays IPv6; see unmapped().
class IpAddress {
 public:
  IpAddress() = default;  ///< 0.0.0.0
  /// Canonical spellings only (inet_pton); nullopt for host names and for `0x7f.1`, `2130706433`, `010.0.0.1`,
  /// `fe80::1%eth0`.
  static std::optional<IpAddress> parse(std::string_view text);
  static IpAddress v4(std::uint32_t host_order);
  static IpAddress v6(std::span<const std::uint8_t, 16> bytes);
  /// AF_INET or AF_INET6; anything else is 0.0.0.0.
  static IpAddress from(const sockaddr& address);

  bool is_v4() const { return v4_; }
  /// 4 or 16 bytes, network order.
  std::span<const std::uint8_t> bytes() const { return {bytes_.data(), v4_ ? std::size_t(4) : std::size_t(16)}; }
  /// The IPv4 address inside ::ffff:0:0/96; otherwise the address itself.
  IpAddress unmapped() const;
  std::string to_text() const;
  /// What one client is for limits: the IPv4 address, or the /64 of an IPv6 one.
  std::string client_key() const;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
  bool v4_ = true;
};

/// `10.0.0.0/8`, `fd00::/8`, or a single address.
class Cidr {
 public:
  /// nullopt: malformed, or bits set behind the prefix.
  static std::optional<Cidr> parse(std::string_view text);
  bool contains(const IpAddress& address) const;
  std::string to_text() const;

 private:
  IpAddress base_;
  int prefix_ = 0;
};

/// The elements of a setting's list. Throws Error(invalid) that names the bad one.
std::vector<Cidr> parse_cidrs(std::span<const std::string> texts);

}  // namespace certctl::http
