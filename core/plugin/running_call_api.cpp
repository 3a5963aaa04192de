#include "core/plugin/running_call_api.hpp"

#include <chrono>

namespace certctl::plugin {

namespace {

std::string_view view(certctl_bytes bytes) {
  return bytes.data ? std::string_view(static_cast<const char*>(bytes.data), bytes.size) : std::string_view();
}

}  // namespace

Status status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::unauthenticated:
    case ErrorKind::forbidden:
      return Status::auth;
    case ErrorKind::not_found:
    case ErrorKind::gone:
      return Status::not_found;
    case ErrorKind::conflict:
      return Status::conflict;
    case ErrorKind::rate_limited:
      return Status::rate_limited;
    case ErrorKind::unavailable:
    case ErrorKind::upstream:
      return Status::transient;
    case ErrorKind::internal:
      return Status::internal;
    default:
      return Status::invalid_request;
  }
}

std::int64_t RunningCall::Api::remaining(const RunningCall& call) {
  const auto left = call.deadline_ - std::chrono::steady_clock::now();
  return std::chrono::duration_cast<std::chrono::milliseconds>(left).count();
}

certctl_status RunningCall::Api::outcome(RunningCall& call, const std::string& fault) {
  if (fault.empty()) return CERTCTL_OK;
  call.fault(fault);
  return CERTCTL_INVALID_REQUEST;
}

certctl_status RunningCall::Api::put(certctl_call* call, std::uint32_t key, certctl_bytes value) noexcept {
  return outcome(of(call), of(call).results_.put(key, value));
}
certctl_status RunningCall::Api::put_int(certctl_call* call, std::uint32_t key, std::int64_t value) noexcept {
  return outcome(of(call), of(call).results_.put_int(key, value));
}
certctl_status RunningCall::Api::sub_put(certctl_call* call, std::uint32_t key, certctl_bytes value) noexcept {
  return outcome(sub(call).parent_, sub(call).request_.put(key, value));
}
certctl_status RunningCall::Api::sub_put_int(certctl_call* call, std::uint32_t key, std::int64_t value) noexcept {
  return outcome(sub(call).parent_, sub(call).request_.put_int(key, value));
}

std::uint32_t RunningCall::Api::sub_get(certctl_call* call, std::uint32_t key, std::uint32_t index,
                                        certctl_bytes* out) noexcept {
  *out = {nullptr, 0};
  const Fields::Slot* slot = sub(call).answer_.out.find(key);
  const std::uint32_t type = key & CERTCTL_TYPE_MASK;
  if (!slot || type == CERTCTL_INT || type == CERTCTL_REC) return 0;
  if (index < slot->values.size()) *out = {slot->values[index].text.c_str(), slot->values[index].text.size()};
  return std::uint32_t(slot->values.size());
}

std::uint32_t RunningCall::Api::sub_get_int(certctl_call* call, std::uint32_t key, std::uint32_t index,
                                            std::int64_t* out) noexcept {
  const Fields::Slot* slot = sub(call).answer_.out.find(key);
  const std::uint32_t type = key & CERTCTL_TYPE_MASK;
  if (!slot || (type != CERTCTL_INT && type != CERTCTL_REC)) return 0;
  if (index < slot->values.size()) *out = slot->values[index].number;
  return std::uint32_t(slot->values.size());
}

const certctl_call_api RunningCall::Api::kCall = {
    .size = sizeof(certctl_call_api),
    .reserved = 0,
    .remaining_ms = [](certctl_call* call) noexcept { return remaining(of(call)); },
    .cancel_fd = [](certctl_call* call) noexcept { return std::int32_t(of(call).cancellation_.descriptor()); },
    .log = [](certctl_call* call, std::uint32_t level, certctl_bytes event,
              certctl_bytes text) noexcept { of(call).log(level, event, text); },
    .get = [](certctl_call* call, std::uint32_t key, std::uint32_t index,
              certctl_bytes* out) noexcept { return of(call).get(key, index, out); },
    .get_int = [](certctl_call* call, std::uint32_t key, std::uint32_t index,
                  std::int64_t* out) noexcept { return of(call).get_int(key, index, out); },
    .setting = [](certctl_call* call, certctl_bytes pointer, std::uint32_t index,
                  certctl_bytes* out) noexcept { return of(call).setting(view(pointer), index, out); },
    .put = put,
    .put_int = put_int,
    .checkpoint = [](certctl_call* call, certctl_bytes bytes) noexcept { return of(call).make_checkpoint(bytes); },
    .fail = [](certctl_call* call, certctl_status status, certctl_bytes id,
               certctl_bytes text) noexcept { return of(call).fail(status, id, text); },
    .open = [](certctl_call* call, std::uint32_t service) noexcept { return of(call).open(service); },
    .run = [](certctl_call* call) noexcept -> certctl_status {
      return outcome(of(call), "it ran a call that is no sub-call");
    },
    .close = [](certctl_call* call) noexcept { of(call).fault("it closed a call that is no sub-call"); },
};

const certctl_call_api RunningCall::Api::kSubCall = {
    .size = sizeof(certctl_call_api),
    .reserved = 0,
    .remaining_ms = [](certctl_call* call) noexcept { return remaining(sub(call).parent_); },
    .cancel_fd = [](certctl_call* call) noexcept { return std::int32_t(sub(call).parent_.cancellation_.descriptor()); },
    .log = [](certctl_call* call, std::uint32_t level, certctl_bytes event,
              certctl_bytes text) noexcept { sub(call).parent_.log(level, event, text); },
    .get = sub_get,
    .get_int = sub_get_int,
    .setting = [](certctl_call*, certctl_bytes, std::uint32_t, certctl_bytes* out) noexcept -> std::uint32_t {
      *out = {nullptr, 0};
      return 0;
    },
    .put = sub_put,
    .put_int = sub_put_int,
    .checkpoint = [](certctl_call*, certctl_bytes) noexcept -> certctl_status { return CERTCTL_NOT_SUPPORTED; },
    .fail = [](certctl_call* call, certctl_status, certctl_bytes, certctl_bytes) noexcept -> certctl_status {
      return outcome(sub(call).parent_, "it failed a sub-call");
    },
    .open = [](certctl_call*, std::uint32_t) noexcept -> certctl_call* { return nullptr; },
    .run = [](certctl_call* call) noexcept { return sub(call).run(); },
    .close = [](certctl_call* call) noexcept { sub(call).parent_.close(&sub(call)); },
};

}  // namespace certctl::plugin
