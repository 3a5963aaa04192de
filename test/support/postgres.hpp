#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include "core/db/database.hpp"

namespace certctl::test {

/// A real PostgreSQL for one test program: made when first asked for, gone with the program. It does not sync to disk.
///
///     auto database = TestPostgres::shared().open();                       // migrated, empty, of its own
///     const std::string url = TestPostgres::shared().fresh_database();     // the same for another process
class TestPostgres {
 public:
  static TestPostgres& shared();
  ~TestPostgres();
  TestPostgres(const TestPostgres&) = delete;
  TestPostgres& operator=(const TestPostgres&) = delete;

  /// URL of a new database with this program's schema.
  std::string fresh_database();
  /// URL of a new database without anything.
  std::string empty_database();

  /// A pool on a fresh database.
  std::unique_ptr<db::Database> open();
  static db::DatabaseOptions options(const std::string& url);

  int process_id() const { return process_; }
  const std::filesystem::path& socket_folder() const { return folder_; }

 private:
  TestPostgres();
  std::string create(const std::string& with);
  std::string url(const std::string& database) const;

  std::filesystem::path folder_;
  int process_ = 0;
  std::atomic<int> count_{0};
};

}  // namespace certctl::test
