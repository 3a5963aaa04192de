#pragma once

#include <string>
#include <string_view>

#include "core/base/error.hpp"

namespace certctl::db {

/// A statement that the server refused. Kind internal, except where waiting helps (deadlock, serialization failure,
/// statement timeout, too many connections): unavailable with Retry-After. `what()` is for the log.
class SqlError : public Error {
 public:
  struct Report {
    std::string sqlstate;    ///< five characters
    std::string message;     ///< the server's primary message
    std::string constraint;  ///< "" where none is to blame
    std::string table;
    std::string column;
  };
  explicit SqlError(Report report);

  const std::string& sqlstate() const { return report_.sqlstate; }
  const std::string& server_message() const { return report_.message; }
  const std::string& constraint() const { return report_.constraint; }
  const std::string& table() const { return report_.table; }
  const std::string& column() const { return report_.column; }

 private:
  Report report_;
};

/// 23505
class UniqueViolation : public SqlError {
  using SqlError::SqlError;
};
/// 23503: the parent is missing, or the row still has children.
class ForeignKeyViolation : public SqlError {
  using SqlError::SqlError;
};
/// 23514: a CHECK, or a trigger that guards like one (constraint() is empty then).
class CheckViolation : public SqlError {
  using SqlError::SqlError;
};

/// Throws the class that fits the SQLSTATE.
[[noreturn]] void raise(SqlError::Report report);

/// The connection ended before the statement's answer. Kind unavailable.
class ConnectionLost : public Error {
 public:
  /// `aborted`: the server itself said that it ended the session (57P01 …), so the statement did not commit.
  ConnectionLost(const std::string& message, std::string sqlstate, bool aborted);
  const std::string& sqlstate() const { return sqlstate_; }
  bool aborted() const { return aborted_; }

 private:
  std::string sqlstate_;
  bool aborted_;
};

/// The answer to COMMIT (or to a writing autocommit statement) was lost: the work is done or not done. Never repeat
/// blindly; see TransactionOptions::settle. Kind unavailable.
class CommitUnknown : public Error {
 public:
  CommitUnknown();
};

/// Whether a transaction that failed so may be run again: 40001, 40P01, 57P01–57P03, class 08, and stale plans.
bool is_retryable(const SqlError& error);

}  // namespace certctl::db
