#include "core/db/database.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <random>
#include <thread>

#include "core/db/connection.hpp"
#include "core/db/messages.hpp"
#include "core/db/pool.hpp"

namespace certctl::db {
namespace {

using std::chrono::milliseconds;

constexpr int kAttempts = 5;

/// Writes nothing, so an answer that was lost may be asked for again.
bool only_reads(std::string_view sql) {
  const std::size_t start = sql.find_first_not_of(" \t\r\n");
  return start != std::string_view::npos &&
         (starts_with_ignore_case(sql.substr(start), "SELECT") || starts_with_ignore_case(sql.substr(start), "SHOW"));
}

}  // namespace

struct Database::Shared {
  std::atomic<std::uint64_t> retries{0};
  mutable std::mutex mutex;
  Capabilities capabilities;
  std::function<void()> outbox_listener;
};

Database::Database(DatabaseOptions options) : options_(std::move(options)), shared_(std::make_unique<Shared>()) {
  if (!options_.target.is_local() && !options_.target.verifies_server())
    log::write(kDbTlsUnverified, {{"database", options_.target.describe()}});
  if (options_.require_tls && options_.target.is_tcp() && !options_.target.requires_tls())
    throw invalid("TLS to the database is required, but sslmode allows a connection without; set sslmode=verify-full");
  pool_ = std::make_unique<Pool>(options_);
}

Database::~Database() = default;

Result Database::run_statement(const Statement& statement, Priority priority) {
  for (int attempt = 1;; ++attempt) {
    if (const std::optional<Result> result = try_statement(statement, priority, attempt == kAttempts)) return *result;
    pause_before_retry(attempt);
  }
}

std::optional<Result> Database::try_statement(const Statement& statement, Priority priority, bool last) {
  Pool::Borrowed connection = pool_->acquire(priority, options_.acquire_timeout);
  try {
    return std::move(connection->exchange({&statement, 1}).front());
  } catch (const SqlError& error) {
    if (!is_retryable(error) || last) throw;
  } catch (const ConnectionLost& lost) {
    pool_->report_loss(connection.generation(), lost.what());
    if (!lost.aborted() && !only_reads(statement.sql)) throw CommitUnknown();
    if (last) throw;
  }
  return std::nullopt;
}

void Database::run_transaction(const TransactionOptions& options, const std::function<void(Transaction&)>& body) {
  for (int attempt = 1;; ++attempt) {
    switch (try_transaction(options, body, attempt == kAttempts)) {
      case Outcome::committed:
        return;
      case Outcome::unknown:
        if (!options.settle) throw CommitUnknown();
        if (options.settle(*this)) return;
        if (attempt == kAttempts) throw unavailable("the database connection was lost again and again; try later");
        break;
      case Outcome::rolled_back:
        break;
    }
    pause_before_retry(attempt);
  }
}

Database::Outcome Database::try_transaction(const TransactionOptions& options,
                                            const std::function<void(Transaction&)>& body, bool last) {
  Pool::Borrowed connection = pool_->acquire(options.priority, options_.acquire_timeout);
  bool committing = false;
  try {
    Transaction transaction(*this, *connection, options);
    body(transaction);
    committing = true;
    transaction.commit();
    return Outcome::committed;
  } catch (const SqlError& error) {
    if (!is_retryable(error) || last) throw;
  } catch (const ConnectionLost& lost) {
    pool_->report_loss(connection.generation(), lost.what());
    if (committing && !lost.aborted() && !options.read_only) return Outcome::unknown;
    if (last) throw;
  }
  return Outcome::rolled_back;
}

void Database::pause_before_retry(int attempt) {
  thread_local std::minstd_rand generator{std::random_device{}()};
  const double jitter = std::uniform_real_distribution<double>(0.5, 1.5)(generator);
  shared_->retries.fetch_add(1, std::memory_order_relaxed);
  log::write(kDbRetried, {{"attempt", attempt}});
  std::this_thread::sleep_for(milliseconds(10 << (attempt - 1)) * jitter);
}

bool Database::ping(milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  try {
    Pool::Borrowed connection = pool_->acquire(Priority::reserved, timeout);
    const auto left = std::chrono::duration_cast<milliseconds>(until - std::chrono::steady_clock::now());
    try {
      connection->run_within(std::max(left, milliseconds(1)), "SELECT 1");
    } catch (const ConnectionLost& lost) {
      pool_->report_loss(connection.generation(), lost.what());
      return false;
    }
    return true;
  } catch (const Error&) {
    return false;
  }
}

void Database::close() { pool_->close(); }

PoolStatistics Database::statistics() const {
  PoolStatistics out = pool_->statistics();
  out.retries = shared_->retries.load(std::memory_order_relaxed);
  return out;
}

std::uint64_t Database::losses() const { return pool_->losses(); }

std::unique_ptr<Connection> Database::connect(std::string_view purpose, milliseconds statement_timeout) const {
  return pool_->connect(purpose, statement_timeout);
}

Capabilities Database::capabilities() const {
  std::scoped_lock lock(shared_->mutex);
  return shared_->capabilities;
}

void Database::probe() {
  const Capabilities found = probe_capabilities(*this, options_.capabilities_off);
  log::write(kDbCapability, {{"capabilities", found.to_json().text}});
  std::scoped_lock lock(shared_->mutex);
  shared_->capabilities = found;
}

void Database::set_outbox_listener(std::function<void()> listener) {
  std::scoped_lock lock(shared_->mutex);
  shared_->outbox_listener = std::move(listener);
}

void Database::outbox_written() {
  std::scoped_lock lock(shared_->mutex);
  if (shared_->outbox_listener) shared_->outbox_listener();
}

}  // namespace certctl::db
