#pragma once

#include "core/db/database.hpp"

namespace certctl::db {

/// Where a statement runs: in a transaction that the caller holds, or in one of its own. Cheap to copy; made from either,
/// so that a repository function serves both.
class Executor {
 public:
  Executor(Database& database) : database_(&database) {}
  Executor(Transaction& transaction) : transaction_(&transaction) {}

  template <typename... Args>
  Result run(std::string_view sql, const Args&... args) const {
    return transaction_ != nullptr ? transaction_->run(sql, args...) : database_->run(sql, args...);
  }

 private:
  Database* database_ = nullptr;
  Transaction* transaction_ = nullptr;
};

}  // namespace certctl::db
