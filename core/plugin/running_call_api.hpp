#pragma once

#include "core/base/error.hpp"
#include "core/plugin/running_call.hpp"

namespace certctl::plugin {

/// What a service's exception is for the plugin.
Status status_of(ErrorKind kind);

/// The functions behind the pointers. An exception that leaves one of them (out of memory) would cross the plugin's
/// frames, so each is noexcept.
struct RunningCall::Api {
  static const certctl_call_api kCall;
  static const certctl_call_api kSubCall;

  static RunningCall& of(certctl_call* call) { return *static_cast<RunningCall*>(call); }
  static SubCall& sub(certctl_call* call) { return *static_cast<SubCall*>(call); }

  static std::int64_t remaining(const RunningCall& call);
  static std::uint32_t sub_get(certctl_call* call, std::uint32_t key, std::uint32_t index, certctl_bytes* out) noexcept;
  static std::uint32_t sub_get_int(certctl_call* call, std::uint32_t key, std::uint32_t index, std::int64_t* out) noexcept;
  static certctl_status put(certctl_call* call, std::uint32_t key, certctl_bytes value) noexcept;
  static certctl_status put_int(certctl_call* call, std::uint32_t key, std::int64_t value) noexcept;
  static certctl_status sub_put(certctl_call* call, std::uint32_t key, certctl_bytes value) noexcept;
  static certctl_status sub_put_int(certctl_call* call, std::uint32_t key, std::int64_t value) noexcept;
  static certctl_status outcome(RunningCall& call, const std::string& fault);
};

}  // namespace certctl::plugin
