#include "core/http/ssrf.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <memory>

#include "core/base/error.hpp"

namespace certctl::http {
namespace {

std::vector<Cidr> list(std::initializer_list<const char*> texts) {
  std::vector<Cidr> result;
  for (const char* text : texts) result.push_back(Cidr::parse(text).value());
  return result;
}

bool contains(const std::vector<Cidr>& ranges, const IpAddress& address) {
  return std::ranges::any_of(ranges, [&](const Cidr& range) { return range.contains(address); });
}

/// Link-local and cloud metadata: refused to everybody but Guard::none.
const std::vector<Cidr>& metadata_ranges() {
  static const auto ranges = list({"169.254.0.0/16", "fe80::/10", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"});
  return ranges;
}

const std::vector<Cidr>& guarded_ranges() {
  static const auto ranges =
      list({"0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "192.0.0.0/24", "::", "::1", "ff00::/8"});
  return ranges;
}

/// 192.0.0.9 and .10 are globally reachable anycast addresses inside a special-purpose block (RFC 7723, RFC 8155).
const std::vector<Cidr>& exceptions() {
  static const auto ranges = list({"192.0.0.9", "192.0.0.10"});
  return ranges;
}

IpAddress embedded(std::span<const std::uint8_t> bytes, std::size_t at) {
  return IpAddress::v4(std::uint32_t(bytes[at]) << 24 | std::uint32_t(bytes[at + 1]) << 16 |
                       std::uint32_t(bytes[at + 2]) << 8 | bytes[at + 3]);
}

/// The IPv4 destination that an IPv6 address stands for: mapped, compatible, NAT64 (RFC 6052 §2.2, RFC 8215), 6to4.
std::optional<IpAddress> inner_v4(const IpAddress& address) {
  static const auto mapped = Cidr::parse("::ffff:0:0/96").value();
  static const auto compatible = Cidr::parse("::/96").value();
  static const auto nat64 = Cidr::parse("64:ff9b::/96").value();
  static const auto local_nat64 = Cidr::parse("64:ff9b:1::/48").value();
  static const auto six_to_four = Cidr::parse("2002::/16").value();
  if (address.is_v4()) return std::nullopt;
  const auto bytes = address.bytes();
  if (mapped.contains(address) || compatible.contains(address) || nat64.contains(address) ||
      local_nat64.contains(address)) {
    return embedded(bytes, 12);
  }
  if (six_to_four.contains(address)) return embedded(bytes, 2);
  return std::nullopt;
}

}  // namespace

Resolver system_resolver() {
  return [](const std::string& host) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* found = nullptr;
    const int failed = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    if (failed != 0)
      throw Error(ErrorKind::upstream, "host name " + host + " cannot be resolved: " + ::gai_strerror(failed));
    std::vector<IpAddress> addresses;
    for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
      const auto address = IpAddress::from(*entry->ai_addr);
      if (std::ranges::find(addresses, address) == addresses.end()) addresses.push_back(address);
    }
    if (addresses.empty()) throw Error(ErrorKind::upstream, "host name " + host + " has no address");
    return addresses;
  };
}

AddressPolicy::AddressPolicy(Guard guard, std::vector<Cidr> allow, std::vector<Cidr> deny, std::vector<IpAddress> own)
    : guard_(guard), allow_(std::move(allow)), deny_(std::move(deny)), own_(std::move(own)) {}

bool AddressPolicy::allows(const IpAddress& address) const {
  if (guard_ == Guard::none) return true;
  const auto inner = inner_v4(address);
  if (contains(allow_, address) || (inner && contains(allow_, *inner))) return true;
  if (inner && address != IpAddress::parse("::").value() && !allows(*inner)) return false;
  if (contains(deny_, address) || contains(metadata_ranges(), address)) return false;
  if (guard_ == Guard::administrator) return true;
  if (std::ranges::find(own_, address) != own_.end()) return false;
  return !contains(guarded_ranges(), address) || contains(exceptions(), address);
}

std::vector<IpAddress> resolve_checked(const std::string& host, const AddressPolicy& policy, const Resolver& resolver) {
  const auto refused = [&] {
    return Error(ErrorKind::invalid, "the address of " + host + " is not allowed").with_code("address_refused");
  };
  std::vector<IpAddress> addresses;
  if (const auto literal = IpAddress::parse(host)) {
    addresses.push_back(*literal);
  } else {
    in_addr ignored{};
    if (::inet_aton(host.c_str(), &ignored) != 0) throw refused();
    addresses = resolver(host);
  }
  if (addresses.empty()) throw Error(ErrorKind::upstream, "host name " + host + " has no address");
  for (const auto& address : addresses) {
    if (!policy.allows(address)) throw refused();
  }
  return addresses;
}

}  // namespace certctl::http
