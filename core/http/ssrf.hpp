#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/http/address.hpp"
#include "core/http/uri.hpp"

namespace certctl::http {

/// Which addresses a connection may reach (security.md §11).
enum class Guard {
  guarded,        ///< URLs of users: the full list is refused
  administrator,  ///< hosts of issuer, target and SMTP configuration: private and loopback allowed, metadata not
  none,           ///< our own server, tests
};

/// Name → all addresses, in the resolver's order. Throws Error(upstream) when there is none.
using Resolver = std::function<std::vector<IpAddress>(const std::string& host)>;
Resolver system_resolver();

/// A judge of addresses. Immutable, thread-safe.
class AddressPolicy {
 public:
  AddressPolicy() = default;
  /// `allow` wins over the built-in list and over `deny`; `own` are our listener's and the database's addresses,
  /// refused to guarded callers.
  AddressPolicy(Guard guard, std::vector<Cidr> allow, std::vector<Cidr> deny, std::vector<IpAddress> own = {});

  bool allows(const IpAddress& address) const;
  Guard guard() const { return guard_; }

 private:
  Guard guard_ = Guard::guarded;
  std::vector<Cidr> allow_;
  std::vector<Cidr> deny_;
  std::vector<IpAddress> own_;
};

/// The addresses that may be dialled for `host` (a name, or a canonical literal). Every answer must pass, else
/// Error(invalid, code `address_refused`); the text does not echo the addresses.
std::vector<IpAddress> resolve_checked(const std::string& host, const AddressPolicy& policy, const Resolver& resolver);

}  // namespace certctl::http
