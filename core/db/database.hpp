#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/base/secret.hpp"
#include "core/db/capabilities.hpp"
#include "core/db/connection_target.hpp"
#include "core/db/error.hpp"
#include "core/db/param.hpp"
#include "core/db/result.hpp"

namespace certctl::db {

class Connection;
class Database;
class Pool;

struct DatabaseOptions {
  ConnectionTarget target;
  /// Connections in all; three of them are kept for LISTEN, the outbox sender and leases, two for health and sign-in.
  int max_connections = 25;
  int keep_idle = 2;
  std::chrono::milliseconds acquire_timeout = std::chrono::seconds(5);
  std::chrono::milliseconds idle_timeout = std::chrono::minutes(5);
  std::chrono::milliseconds lifetime = std::chrono::hours(1);  ///< ± 10 %
  std::chrono::milliseconds statement_timeout = std::chrono::seconds(30);
  /// Asked for each new connection when the target names no password, so that it can be rotated without a restart.
  std::function<Secret()> password = {};
  bool require_tls = false;           ///< refuse a connection without TLS (unix sockets excepted)
  std::string instance_id = "local";  ///< owner of outbox rows
  std::vector<std::string> capabilities_off = {};
};

/// Who may use the last connections of the pool.
enum class Priority { normal, reserved };

struct TransactionOptions {
  bool read_only = false;  ///< its COMMIT has nothing to lose, so it is repeated freely
  Priority priority = Priority::normal;
  /// Zero: that of the database.
  std::chrono::milliseconds statement_timeout{0};
  /// Asked when the answer to COMMIT was lost: true, the work is committed; false, it is not and may be run again.
  /// Empty: CommitUnknown goes to the caller.
  std::function<bool(Database&)> settle = {};
};

/// Statements between BEGIN and COMMIT; lives inside Database::transaction() on one thread.
class Transaction {
 public:
  ~Transaction();  ///< rolls back what was not committed
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  template <typename... Args>
  Result run(std::string_view sql, const Args&... args) {
    const Statement one = statement(sql, args...);
    return run_batch({&one, 1}).front();
  }

  /// All statements in one round trip (pipeline). The first failure throws and ends the transaction.
  std::vector<Result> batch(const std::vector<Statement>& statements) { return run_batch(statements); }

  Database& database() { return database_; }

 private:
  friend class Database;
  friend void wake(Transaction& transaction, std::string_view topic, std::string_view key);
  Transaction(Database& database, Connection& connection, const TransactionOptions& options);
  std::vector<Result> run_batch(std::span<const Statement> statements);
  void commit();

  Database& database_;
  Connection& connection_;
  const TransactionOptions& options_;
  const std::chrono::milliseconds usual_timeout_;
  bool begun_ = false;
  std::vector<std::string> wake_topics_;
  std::vector<std::string> wake_keys_;
};

struct PoolStatistics {
  int open = 0;
  int in_use = 0;
  int waiting = 0;
  int limit = 0;
  std::uint64_t acquired = 0;
  std::uint64_t timeouts = 0;
  std::uint64_t connects = 0;
  std::uint64_t losses = 0;
  std::uint64_t retries = 0;  ///< transactions run again
};

/// A pool of connections to one database. Thread-safe. Statements are prepared on demand on each connection, keyed by
/// their text. Errors: SqlError and its kin, ConnectionLost, CommitUnknown; Error(unavailable) when no connection was
/// to be had in time.
class Database {
 public:
  /// Connects when first used.
  explicit Database(DatabaseOptions options);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// One statement in a transaction of its own. Repeated like a transaction when it is known not to have committed.
  template <typename... Args>
  Result run(std::string_view sql, const Args&... args) {
    return run_statement(statement(sql, args...), Priority::normal);
  }

  /// Calls `f(Transaction&)` between BEGIN and COMMIT and returns its value. `f` may be called again (≤ 5 times, 10 ms
  /// doubling): it does no I/O, changes nothing outside and returns its results. An exception from it rolls back.
  template <typename F>
  auto transaction(F&& f) {
    return transaction(TransactionOptions{}, std::forward<F>(f));
  }
  template <typename F>
  auto transaction(const TransactionOptions& options, F&& f) {
    using Value = std::invoke_result_t<F&, Transaction&>;
    if constexpr (std::is_void_v<Value>) {
      run_transaction(options, [&](Transaction& transaction) { f(transaction); });
    } else {
      std::optional<Value> value;
      run_transaction(options, [&](Transaction& transaction) { value.emplace(f(transaction)); });
      return Value(std::move(*value));
    }
  }

  /// Whether the database answers within `timeout`; uses the reserved connections.
  bool ping(std::chrono::milliseconds timeout);

  /// Closes every connection; whoever waits or comes later gets Error(unavailable). Idempotent.
  void close();

  PoolStatistics statistics() const;
  /// Rises whenever a connection was lost: what was believed about the database before may be stale.
  std::uint64_t losses() const;

  /// A connection outside the pool for LISTEN, leases, migrations.
  std::unique_ptr<Connection> connect(std::string_view purpose, std::chrono::milliseconds statement_timeout) const;

  /// Everything that is not switched off, until probe() has looked.
  Capabilities capabilities() const;
  void probe();

  const DatabaseOptions& options() const { return options_; }
  const std::string& instance_id() const { return options_.instance_id; }

 private:
  friend class Transaction;
  friend class WakeUps;
  enum class Outcome { committed, rolled_back, unknown };
  Result run_statement(const Statement& statement, Priority priority);
  std::optional<Result> try_statement(const Statement& statement, Priority priority, bool last);
  Outcome try_transaction(const TransactionOptions& options, const std::function<void(Transaction&)>& body, bool last);
  void run_transaction(const TransactionOptions& options, const std::function<void(Transaction&)>& body);
  void pause_before_retry(int attempt);
  /// Told after each commit that wrote outbox rows.
  void set_outbox_listener(std::function<void()> listener);
  void outbox_written();

  DatabaseOptions options_;
  std::unique_ptr<Pool> pool_;
  struct Shared;
  std::unique_ptr<Shared> shared_;
};

/// Says that rows behind (topic, key) changed: an outbox row, written with the commit. See WakeUps.
void wake(Transaction& transaction, std::string_view topic, std::string_view key = "-");

}  // namespace certctl::db
