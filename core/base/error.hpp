#pragma once

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace certctl {

/// What went wrong, in the terms a caller can act on. Mapped once to REST statuses (core/http/error_response),
/// once to ABI statuses (core/plugin).
enum class ErrorKind {
  invalid,            ///< 400: the request itself is wrong
  unauthenticated,    ///< 401
  forbidden,          ///< 403
  not_found,          ///< 404
  method_not_allowed, ///< 405
  conflict,           ///< 409: wrong state, duplicate, dependants
  gone,               ///< 410: retired
  too_large,          ///< 413
  unsupported_media,  ///< 415
  policy_violation,   ///< 422
  rate_limited,       ///< 429
  unavailable,        ///< 503: the database or another dependency is away; try again
  upstream,           ///< 502: a CA or target answered with an error
  internal,           ///< 500: a defect or a broken environment; the message is for the log, not the caller
};

/// One wrong field of a request. `field` is a member name or JSON pointer; `code` a stable word
/// (`required`, `type`, `range`, `duplicate`, `unknown`).
struct FieldError {
  std::string field;
  std::string code;
  std::string message;
};

/// The one exception type of certctl. `what()` is fit for the caller: it says what was wrong, where, and the remedy,
/// and holds no SQL, no driver text and no secret.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  Error(ErrorKind kind, const std::string& message, std::vector<FieldError> fields)
      : std::runtime_error(message), kind_(kind), fields_(std::move(fields)) {}

  ErrorKind kind() const { return kind_; }
  const std::vector<FieldError>& fields() const { return fields_; }

  /// A stable word that refines the kind (`duplicate`, `wrong_state`, `has_dependants`, …); empty: the kind's own.
  const std::string& code() const { return code_; }
  Error&& with_code(std::string code) && { code_ = std::move(code); return std::move(*this); }

  /// When to try again; only for rate_limited and unavailable.
  std::optional<std::chrono::seconds> retry_after() const { return retry_after_; }
  Error&& with_retry_after(std::chrono::seconds wait) && { retry_after_ = wait; return std::move(*this); }

 private:
  ErrorKind kind_;
  std::vector<FieldError> fields_;
  std::string code_;
  std::optional<std::chrono::seconds> retry_after_;
};

Error invalid(const std::string& message);
Error invalid_field(std::string field, std::string code, const std::string& message);
Error not_found(const std::string& message);
Error conflict(const std::string& message, std::string code = "conflict");
Error unavailable(const std::string& message, std::chrono::seconds retry_after = std::chrono::seconds(1));
Error internal(const std::string& message);

std::string_view to_text(ErrorKind kind);

}  // namespace certctl
