#include "core/db/migrator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <thread>

#include "core/db/connection.hpp"
#include "core/db/messages.hpp"

namespace certctl::db {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// First eight bytes of SHA-256("certctl/migrate"), as a signed number.
constexpr std::int64_t kLockKey = std::int64_t(0x92ae0372f86e0284);
constexpr auto kLongestWait = std::chrono::minutes(10);
constexpr auto kSayEvery = std::chrono::seconds(5);
constexpr int kLockAttempts = 60;

/// Stands before all numbered files, since it says which of them ran.
constexpr const char* kBookkeeping = R"(
CREATE TABLE IF NOT EXISTS certctl_schema_migrations (
  version        int PRIMARY KEY,
  name           text NOT NULL,
  checksum       text NOT NULL,
  applied_at     timestamptz NOT NULL DEFAULT now(),
  duration_ms    bigint NOT NULL DEFAULT 0,
  server_version text NOT NULL DEFAULT ''
))";

struct Applied {
  std::string name;
  std::string checksum;
};

std::map<int, Applied> read_applied(Connection& connection) {
  std::map<int, Applied> applied;
  const Row tables = connection
                         .run(
                             "SELECT to_regclass('certctl_schema_migrations') IS NOT NULL AS kept,"
                             " to_regclass('managed_certificates') IS NOT NULL AS filled")
                         .front();
  if (!tables.flag("kept")) {
    if (tables.flag("filled"))
      throw conflict("the database holds certificate tables that this program did not make; use an empty database",
                     "foreign_schema");
    return applied;
  }
  for (const Row& row :
       connection.run("SELECT version, name, checksum FROM certctl_schema_migrations ORDER BY version"))
    applied[int(row.integer("version"))] = {row.text("name"), row.text("checksum")};
  return applied;
}

MigrationStatus compare(const std::map<int, Applied>& applied, std::span<const Migration> known) {
  MigrationStatus status;
  status.program_version = known.empty() ? 0 : known.back().version;
  status.database_version = applied.empty() ? 0 : applied.rbegin()->first;
  if (status.database_version > status.program_version)
    throw conflict(
        fmt::format("the database has schema version {}, but this program knows only {}; run the newer program "
                    "again, or restore a backup made before the upgrade",
                    status.database_version, status.program_version),
        "database_newer");
  for (const Migration& migration : known) {
    const auto found = applied.find(migration.version);
    if (found == applied.end()) {
      status.pending.push_back(migration);
    } else if (found->second.checksum != migration.checksum) {
      throw conflict(
          fmt::format("migration {} was edited after it had been applied to this database (checksum {} instead "
                      "of {}); use the program that the database was made with",
                      migration.name, migration.checksum.substr(0, 12), found->second.checksum.substr(0, 12)),
          "migration_edited");
    }
  }
  return status;
}

/// The right to migrate, for as long as the object lives.
class MigrationLock {
 public:
  MigrationLock(Connection& connection, bool advisory) : connection_(connection), advisory_(advisory) {
    const auto until = steady_clock::now() + kLongestWait;
    auto next_word = steady_clock::now() + kSayEvery;
    while (!try_lock()) {
      if (steady_clock::now() > until)
        throw unavailable("another instance has been migrating the database for ten minutes; look at its log");
      if (steady_clock::now() > next_word) {
        log::write(kMigrationWaiting);
        next_word += kSayEvery;
      }
      std::this_thread::sleep_for(milliseconds(200));
    }
  }
  ~MigrationLock() {
    if (connection_.is_broken()) return;
    try {
      if (advisory_)
        connection_.run("SELECT pg_advisory_unlock($1)", kLockKey);
      else
        connection_.run("ROLLBACK");
    } catch (const Error&) {
      // The lock ends with the session.
    }
  }
  MigrationLock(const MigrationLock&) = delete;
  MigrationLock& operator=(const MigrationLock&) = delete;

 private:
  bool try_lock() {
    if (advisory_) return connection_.run("SELECT pg_try_advisory_lock($1)", kLockKey).front().flag(0);
    // The transaction holds the lock and does nothing else, for as long as the migrations take.
    connection_.run("SET idle_in_transaction_session_timeout = 0");
    connection_.run("BEGIN");
    try {
      connection_.run("LOCK TABLE certctl_schema_migrations IN SHARE UPDATE EXCLUSIVE MODE NOWAIT");
      return true;
    } catch (const SqlError& error) {
      connection_.run("ROLLBACK");
      if (error.sqlstate() != "55P03") throw;
      return false;
    }
  }

  Connection& connection_;
  const bool advisory_;
};

/// Replicas that start on an empty database at once may collide here; the second attempt finds the table.
void make_bookkeeping(Connection& connection) {
  for (int attempt = 1;; ++attempt) {
    try {
      connection.execute(kBookkeeping);
      return;
    } catch (const UniqueViolation&) {
      if (attempt == 5) throw;
    }
  }
}

/// Where the engine lacks UNLOGGED tables, ordinary ones do.
std::string adapt(std::string_view sql, const Capabilities& capabilities) {
  std::string text(sql);
  if (capabilities.unlogged) return text;
  for (std::size_t at = 0; (at = text.find("UNLOGGED ", at)) != std::string::npos;) text.erase(at, 9);
  return text;
}

void apply_one(Connection& connection, const Migration& migration, const Capabilities& capabilities) {
  const auto start = steady_clock::now();
  for (int attempt = 1;; ++attempt) {
    try {
      connection.run("BEGIN");
      // A long query must not make everybody else queue behind our DDL.
      connection.run("SET LOCAL lock_timeout = '5s'");
      connection.execute(adapt(migration.sql, capabilities));
      const auto took = std::chrono::duration_cast<milliseconds>(steady_clock::now() - start).count();
      connection.run(
          "INSERT INTO certctl_schema_migrations (version, name, checksum, duration_ms, server_version)"
          " VALUES ($1, $2, $3, $4, current_setting('server_version'))",
          migration.version, migration.name, migration.checksum, took);
      connection.run("COMMIT");
      log::write(kMigrationApplied, {{"name", migration.name}, {"duration_ms", took}});
      return;
    } catch (const SqlError& error) {
      connection.run("ROLLBACK");
      const bool blocked = error.sqlstate() == "55P03" || error.sqlstate() == "40P01";
      if (!blocked || attempt == kLockAttempts) throw;
      log::write(kMigrationBlocked, {{"name", migration.name}, {"attempt", attempt}});
      std::this_thread::sleep_for(milliseconds(250));
    }
  }
}

}  // namespace

Migrator::Migrator(Database& database, std::span<const Migration> migrations)
    : database_(database), migrations_(migrations) {}

MigrationStatus Migrator::status() {
  const auto connection = database_.connect("migrate", std::chrono::seconds(30));
  return compare(read_applied(*connection), migrations_);
}

int Migrator::apply() {
  const Capabilities capabilities = database_.capabilities();
  const auto watcher = database_.connect("migrate", milliseconds(0));
  if (compare(read_applied(*watcher), migrations_).pending.empty()) return 0;
  make_bookkeeping(*watcher);
  const MigrationLock lock(*watcher, capabilities.advisory);
  // The lock may be a transaction, so the work has a connection of its own.
  const auto worker = database_.connect("migrate", milliseconds(0));
  const MigrationStatus status = compare(read_applied(*worker), migrations_);
  for (const Migration& migration : status.pending) apply_one(*worker, migration, capabilities);
  return int(status.pending.size());
}

}  // namespace certctl::db
