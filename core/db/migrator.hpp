#pragma once

#include <chrono>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/db/database.hpp"

namespace certctl::db {

/// One file of `sql/`, embedded at build time.
struct Migration {
  int version;
  std::string_view name;      ///< `0002_certificates_and_jobs`
  std::string_view checksum;  ///< SHA-256 of the file, lower hex
  std::string_view sql;
};

/// Rising versions.
std::span<const Migration> embedded_migrations();

struct MigrationStatus {
  int database_version = 0;  ///< 0: empty
  int program_version = 0;
  std::vector<Migration> pending;
};

/// Brings a database to the schema of this program. Any number of replicas may try at once: one does it, the others
/// wait. Each file runs in a transaction of its own, once.
class Migrator {
 public:
  explicit Migrator(Database& database, std::span<const Migration> migrations = embedded_migrations());

  /// Reads only. Throws Error(conflict): the database is newer than the program (code `database_newer`, names both
  /// numbers), an applied file was edited (`migration_edited`), or the schema is of a foreign origin
  /// (`foreign_schema`).
  MigrationStatus status();

  /// Applies what is pending; returns how many. Throws as status(), SqlError of a failing file, or Error(unavailable)
  /// when another replica migrated for longer than ten minutes.
  int apply();

 private:
  Database& database_;
  std::span<const Migration> migrations_;
};

}  // namespace certctl::db
