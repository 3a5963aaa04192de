#pragma once

#include <certctl/connector.hpp>
#include <certctl/notifier.h>

namespace certctl {

/// A channel for messages; certctl/notifier.h says what each operation must do. The constructor takes a Call to read
/// settings from; several threads call at once unless the class says kSerial.
class Notifier {
 public:
  using ConnectorKind = Notifier;
  virtual ~Notifier() = default;

  virtual Status send(Call&) { return Status::not_supported; }
  virtual Status test(Call&) { return Status::not_supported; }
};

template <typename T>
struct bridge::Kind<Notifier, T> {
  static constexpr std::string_view kName = "notifier";
  static constexpr std::string_view kTableId = CERTCTL_NOTIFIER_ID;
  static constexpr certctl_notifier kTable = {
      sizeof(certctl_notifier), 0,
      bridge::operation<T, Notifier, &T::send>(),
      bridge::operation<T, Notifier, &T::test>(),
  };
};

}  // namespace certctl
