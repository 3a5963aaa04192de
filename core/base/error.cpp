#include "core/base/error.hpp"

namespace certctl {

Error invalid(const std::string& message) { return Error(ErrorKind::invalid, message); }

Error invalid_field(std::string field, std::string code, const std::string& message) {
  std::vector<FieldError> fields;
  fields.push_back({std::move(field), std::move(code), message});
  return Error(ErrorKind::invalid, message, std::move(fields));
}

Error not_found(const std::string& message) { return Error(ErrorKind::not_found, message); }

Error conflict(const std::string& message, std::string code) {
  return Error(ErrorKind::conflict, message).with_code(std::move(code));
}

Error unavailable(const std::string& message, std::chrono::seconds retry_after) {
  return Error(ErrorKind::unavailable, message).with_retry_after(retry_after);
}

Error internal(const std::string& message) { return Error(ErrorKind::internal, message); }

std::string_view to_text(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid: return "invalid_request";
    case ErrorKind::unauthenticated: return "unauthenticated";
    case ErrorKind::forbidden: return "forbidden";
    case ErrorKind::not_found: return "not_found";
    case ErrorKind::method_not_allowed: return "method_not_allowed";
    case ErrorKind::conflict: return "conflict";
    case ErrorKind::gone: return "gone";
    case ErrorKind::too_large: return "payload_too_large";
    case ErrorKind::unsupported_media: return "unsupported_media_type";
    case ErrorKind::policy_violation: return "policy_violation";
    case ErrorKind::rate_limited: return "rate_limited";
    case ErrorKind::unavailable: return "unavailable";
    case ErrorKind::upstream: return "upstream_error";
    case ErrorKind::internal: return "internal";
  }
  return "internal";
}

}  // namespace certctl
