#include "core/db/error.hpp"

#include <fmt/format.h>

namespace certctl::db {
namespace {

bool helps_to_wait(std::string_view sqlstate) {
  return sqlstate == "40001" || sqlstate == "40P01" || sqlstate == "55P03" || sqlstate == "57014" ||
         sqlstate.starts_with("53");
}

std::string describe(const SqlError::Report& report) {
  std::string text = fmt::format("database error {}: {}", report.sqlstate, report.message);
  if (!report.constraint.empty()) text += fmt::format(" (constraint {})", report.constraint);
  return text;
}

/// A change of schema under a prepared statement, or a statement that a pooler has lost.
bool is_stale_plan(const SqlError& error) {
  return error.sqlstate() == "26000" ||
         (error.sqlstate() == "0A000" && error.server_message().find("cached plan") != std::string::npos);
}

}  // namespace

SqlError::SqlError(Report report)
    : Error(helps_to_wait(report.sqlstate)
                ? Error(ErrorKind::unavailable, describe(report)).with_retry_after(std::chrono::seconds(1))
                : Error(ErrorKind::internal, describe(report))),
      report_(std::move(report)) {}

void raise(SqlError::Report report) {
  if (report.sqlstate == "23505") throw UniqueViolation(std::move(report));
  if (report.sqlstate == "23503") throw ForeignKeyViolation(std::move(report));
  if (report.sqlstate == "23514") throw CheckViolation(std::move(report));
  throw SqlError(std::move(report));
}

ConnectionLost::ConnectionLost(const std::string& message, std::string sqlstate, bool aborted)
    : Error(Error(ErrorKind::unavailable, message).with_retry_after(std::chrono::seconds(1))),
      sqlstate_(std::move(sqlstate)),
      aborted_(aborted) {}

CommitUnknown::CommitUnknown()
    : Error(
          Error(
              ErrorKind::unavailable,
              "the database connection was lost while committing; look whether the change was made before trying again")
              .with_retry_after(std::chrono::seconds(1))) {}

bool is_retryable(const SqlError& error) {
  const std::string& state = error.sqlstate();
  return state == "40001" || state == "40P01" || is_stale_plan(error);
}

}  // namespace certctl::db
