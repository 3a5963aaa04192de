#pragma once

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <certctl/types.h>

namespace certctl {

/// How an operation ends; the meaning of each stands in certctl/types.h.
enum class Status : certctl_status {
  ok = CERTCTL_OK,
  pending = CERTCTL_PENDING,
  invalid_config = CERTCTL_INVALID_CONFIG,
  invalid_request = CERTCTL_INVALID_REQUEST,
  auth = CERTCTL_AUTH,
  rate_limited = CERTCTL_RATE_LIMITED,
  transient = CERTCTL_TRANSIENT,
  permanent = CERTCTL_PERMANENT,
  not_supported = CERTCTL_NOT_SUPPORTED,
  cancelled = CERTCTL_CANCELLED,
  internal = CERTCTL_INTERNAL,
  conflict = CERTCTL_CONFLICT,
  unknown_outcome = CERTCTL_UNKNOWN_OUTCOME,
  not_found = CERTCTL_NOT_FOUND,
};

/// Ends an operation: `throw Error(Status::auth, "Vault refused the token")`. The text is one sentence for people,
/// without secrets; the rest is optional.
class Error : public std::runtime_error {
 public:
  Error(Status status, const std::string& text) : std::runtime_error(text), status_(status) {}

  Status status() const { return status_; }

  /// A stable word (`TOKEN_EXPIRED`) by which the text can be looked up and translated.
  Error&& id(std::string value) && { id_ = std::move(value); return std::move(*this); }
  /// JSON pointer of the setting at fault.
  Error&& setting(std::string value) && { setting_ = std::move(value); return std::move(*this); }
  Error&& vendor_code(std::string value) && { vendor_code_ = std::move(value); return std::move(*this); }
  Error&& retry_in(std::chrono::milliseconds value) && { retry_in_ = value; return std::move(*this); }

  const std::string& id() const { return id_; }
  const std::string& setting() const { return setting_; }
  const std::string& vendor_code() const { return vendor_code_; }
  std::optional<std::chrono::milliseconds> retry_in() const { return retry_in_; }

 private:
  Status status_;
  std::string id_, setting_, vendor_code_;
  std::optional<std::chrono::milliseconds> retry_in_;
};

inline Error invalid_config(const std::string& text, std::string setting = {}) {
  return Error(Status::invalid_config, text).setting(std::move(setting));
}
inline Error invalid_request(const std::string& text) { return {Status::invalid_request, text}; }
inline Error permanent(const std::string& text) { return {Status::permanent, text}; }
inline Error transient(const std::string& text) { return {Status::transient, text}; }

inline certctl_bytes view(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view view(certctl_bytes bytes) {
  return bytes.size == 0 ? std::string_view() : std::string_view(static_cast<const char*>(bytes.data), bytes.size);
}

}  // namespace certctl
