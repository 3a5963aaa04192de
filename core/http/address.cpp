#include "core/http/address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "core/base/error.hpp"
#include "core/base/text.hpp"

namespace certctl::http {

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string copy(text);
  if (copy.size() != std::strlen(copy.c_str())) return std::nullopt;
  IpAddress address;
  in_addr v4{};
  if (::inet_pton(AF_INET, copy.c_str(), &v4) == 1) {
    std::memcpy(address.bytes_.data(), &v4, 4);
    return address;
  }
  in6_addr v6{};
  if (::inet_pton(AF_INET6, copy.c_str(), &v6) != 1) return std::nullopt;
  std::memcpy(address.bytes_.data(), &v6, 16);
  address.v4_ = false;
  return address;
}

IpAddress IpAddress::v4(std::uint32_t host_order) {
  IpAddress address;
  for (int i = 0; i < 4; ++i) address.bytes_[std::size_t(i)] = std::uint8_t(host_order >> (24 - 8 * i));
  return address;
}

IpAddress IpAddress::v6(std::span<const std::uint8_t, 16> bytes) {
  IpAddress address;
  std::ranges::copy(bytes, address.bytes_.begin());
  address.v4_ = false;
  return address;
}

IpAddress IpAddress::from(const sockaddr& address) {
  IpAddress result;
  if (address.sa_family == AF_INET) {
    std::memcpy(result.bytes_.data(), &reinterpret_cast<const sockaddr_in&>(address).sin_addr, 4);
  } else if (address.sa_family == AF_INET6) {
    std::memcpy(result.bytes_.data(), &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, 16);
    result.v4_ = false;
  }
  return result;
}

IpAddress IpAddress::unmapped() const {
  constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (v4_ || !std::equal(kMapped.begin(), kMapped.end(), bytes_.begin())) return *this;
  IpAddress inner;
  std::copy(bytes_.begin() + 12, bytes_.end(), inner.bytes_.begin());
  return inner;
}

std::string IpAddress::to_text() const {
  char buffer[INET6_ADDRSTRLEN] = {};
  ::inet_ntop(v4_ ? AF_INET : AF_INET6, bytes_.data(), buffer, sizeof buffer);
  return buffer;
}

std::string IpAddress::client_key() const {
  const IpAddress plain = unmapped();
  if (plain.v4_) return plain.to_text();
  IpAddress network = plain;
  std::fill(network.bytes_.begin() + 8, network.bytes_.end(), std::uint8_t(0));
  return network.to_text() + "/64";
}

std::optional<Cidr> Cidr::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto base = IpAddress::parse(text.substr(0, slash));
  if (!base) return std::nullopt;
  const int width = base->is_v4() ? 32 : 128;
  Cidr cidr;
  cidr.base_ = *base;
  cidr.prefix_ = width;
  if (slash != std::string_view::npos) {
    const auto digits = text.substr(slash + 1);
    const auto prefix = parse_integer(digits);
    if (!prefix || *prefix < 0 || *prefix > width || digits.front() == '+') return std::nullopt;
    cidr.prefix_ = int(*prefix);
  }
  for (int bit = cidr.prefix_; bit < width; ++bit) {
    if ((base->bytes()[std::size_t(bit / 8)] >> (7 - bit % 8)) & 1) return std::nullopt;
  }
  return cidr;
}

bool Cidr::contains(const IpAddress& address) const {
  if (address.is_v4() != base_.is_v4()) return false;
  const auto a = address.bytes();
  const auto b = base_.bytes();
  const std::size_t whole = std::size_t(prefix_ / 8);
  if (!std::equal(a.begin(), a.begin() + std::ptrdiff_t(whole), b.begin())) return false;
  const int rest = prefix_ % 8;
  return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

std::string Cidr::to_text() const { return base_.to_text() + "/" + std::to_string(prefix_); }

std::vector<Cidr> parse_cidrs(std::span<const std::string> texts) {
  std::vector<Cidr> result;
  for (const auto& text : texts) {
    const auto cidr = Cidr::parse(text);
    if (!cidr) throw invalid("not an address or network in CIDR form: " + printable(text));
    result.push_back(*cidr);
  }
  return result;
}

}  // namespace certctl::http
