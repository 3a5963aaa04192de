#pragma once

#include <certctl/connector.hpp>
#include <certctl/target.h>

namespace certctl {

/// A place that serves certificates; certctl/target.h says what each operation must do. Override what you support: the
/// rest is null in the table. The constructor takes a Call to read settings from; several threads call at once unless
/// the class says kSerial.
class Target {
 public:
  using ConnectorKind = Target;
  virtual ~Target() = default;

  virtual Status dry_run(Call&) { return Status::not_supported; }
  virtual Status deploy(Call&) { return Status::not_supported; }
  virtual Status verify(Call&) { return Status::not_supported; }
  virtual Status rollback(Call&) { return Status::not_supported; }
  virtual Status current(Call&) { return Status::not_supported; }
  virtual Status test(Call&) { return Status::not_supported; }
};

template <typename T>
struct bridge::Kind<Target, T> {
  static constexpr std::string_view kName = "target";
  static constexpr std::string_view kTableId = CERTCTL_TARGET_ID;
  static constexpr certctl_target kTable = {
      sizeof(certctl_target), 0,
      bridge::operation<T, Target, &T::dry_run>(),
      bridge::operation<T, Target, &T::deploy>(),
      bridge::operation<T, Target, &T::verify>(),
      bridge::operation<T, Target, &T::rollback>(),
      bridge::operation<T, Target, &T::current>(),
      bridge::operation<T, Target, &T::test>(),
  };
};

}  // namespace certctl
