#pragma once

#include <certctl/connector.hpp>
#include <certctl/issuer.h>

namespace certctl {

/// A certificate authority; certctl/issuer.h says what each operation must do. Override what you support: the rest is
/// null in the table. The constructor takes a Call to read settings from; several threads call at once unless the class
/// says kSerial.
class Issuer {
 public:
  using ConnectorKind = Issuer;
  virtual ~Issuer() = default;

  virtual Status issue(Call&) { return Status::not_supported; }
  virtual Status renew(Call&) { return Status::not_supported; }
  virtual Status poll(Call&) { return Status::not_supported; }
  virtual Status lookup(Call&) { return Status::not_supported; }
  virtual Status abandon(Call&) { return Status::not_supported; }
  virtual Status revoke(Call&) { return Status::not_supported; }
  virtual Status ca_chain(Call&) { return Status::not_supported; }
  virtual Status test(Call&) { return Status::not_supported; }
};

template <typename T>
struct bridge::Kind<Issuer, T> {
  static constexpr std::string_view kName = "issuer";
  static constexpr std::string_view kTableId = CERTCTL_ISSUER_ID;
  static constexpr certctl_issuer kTable = {
      sizeof(certctl_issuer), 0,
      bridge::operation<T, Issuer, &T::issue>(),
      bridge::operation<T, Issuer, &T::renew>(),
      bridge::operation<T, Issuer, &T::poll>(),
      bridge::operation<T, Issuer, &T::lookup>(),
      bridge::operation<T, Issuer, &T::abandon>(),
      bridge::operation<T, Issuer, &T::revoke>(),
      bridge::operation<T, Issuer, &T::ca_chain>(),
      bridge::operation<T, Issuer, &T::test>(),
  };
};

}  // namespace certctl
