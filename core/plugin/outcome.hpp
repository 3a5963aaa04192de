#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <certctl/types.h>

#include "core/base/text.hpp"
#include "core/plugin/fields.hpp"

namespace certctl::plugin {

/// How an operation ended; see certctl/types.h. What a plugin answers beyond these counts as internal.
enum class Status : std::uint32_t {
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

/// `ok`, `invalid_config`, `unknown_outcome`, …
std::string_view to_text(Status status);
/// The other way; nullopt: no such status.
std::optional<Status> status_from(std::string_view text);
Status status_from(certctl_status status);

enum class Severity { good = 0, warning = 1, bad = 2 };

/// One line of `validate` or `test`.
struct Finding {
  Severity severity = Severity::good;
  std::string text;
  std::string path;  ///< JSON pointer of the setting it is about; empty: none
};

/// What came back from one call of an operation. The status alone decides; nothing here throws.
struct Outcome {
  Status status = Status::internal;
  Fields out;
  std::string text_id;  ///< stable word of the failure; empty when it ended well
  std::string text;     ///< one sentence fit for the caller, printable, ≤ 1 KiB; empty when it ended well
  /// The last one that was made durable in this call; to be handed to poll, lookup, abandon, rollback.
  std::optional<Bytes> checkpoint;
  /// The plugin reported success without having read every critical key or per-request option: keep the certificate,
  /// do not deploy it, revoke it. `unread` names them.
  bool unread_critical = false;
  std::vector<std::string> unread;
  std::chrono::milliseconds took{0};

  bool done() const { return status == Status::ok && !unread_critical; }
  std::optional<std::chrono::milliseconds> retry_in() const;
  std::optional<std::chrono::milliseconds> poll_in() const;
  std::optional<std::chrono::milliseconds> expires_in() const;
  std::vector<Finding> findings() const;
};

}  // namespace certctl::plugin
