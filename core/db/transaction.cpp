#include <fmt/format.h>

#include "core/db/connection.hpp"
#include "core/db/database.hpp"

namespace certctl::db {

Transaction::Transaction(Database& database, Connection& connection, const TransactionOptions& options)
    : database_(database), connection_(connection), options_(options), usual_timeout_(connection.statement_timeout()) {}

Transaction::~Transaction() {
  connection_.set_statement_timeout(usual_timeout_);
  if (!begun_ || connection_.is_broken() || !connection_.in_transaction()) return;
  try {
    connection_.run("ROLLBACK");
  } catch (const Error&) {
    // A connection that could not roll back is not given back to the pool.
  }
}

std::vector<Result> Transaction::run_batch(std::span<const Statement> statements) {
  if (statements.empty()) return {};
  if (begun_) return connection_.exchange(statements);
  // BEGIN travels with the first statements.
  std::vector<Statement> opening;
  opening.push_back(statement(options_.read_only ? "BEGIN READ ONLY" : "BEGIN"));
  if (options_.statement_timeout.count() > 0) {
    opening.push_back(statement("SELECT set_config('statement_timeout', $1, true)",
                                std::to_string(options_.statement_timeout.count())));
    connection_.set_statement_timeout(options_.statement_timeout);
  }
  const std::size_t added = opening.size();
  opening.insert(opening.end(), statements.begin(), statements.end());
  begun_ = true;
  std::vector<Result> results = connection_.exchange(opening);
  results.erase(results.begin(), results.begin() + std::ptrdiff_t(added));
  return results;
}

void Transaction::commit() {
  const bool wakes = !wake_topics_.empty() && database_.capabilities().notify;
  if (!begun_ && !wakes) return;
  std::vector<Statement> closing;
  if (wakes)
    closing.push_back(
        statement("INSERT INTO outbox (topic, key, instance_id)"
                  " SELECT DISTINCT topic, key, $3 FROM unnest($1::text[], $2::text[]) AS u (topic, key)",
                  wake_topics_, wake_keys_, database_.instance_id()));
  closing.push_back(statement("COMMIT"));
  const std::string answer = run_batch(closing).back().command();
  if (answer != "COMMIT")
    throw internal("a transaction went on after one of its statements had failed, so nothing of it was kept");
  begun_ = false;
  if (wakes) database_.outbox_written();
}

void wake(Transaction& transaction, std::string_view topic, std::string_view key) {
  if (key.empty() || key.find_first_of(" \n") != std::string_view::npos)
    throw internal(fmt::format("a wake-up key of topic {} is empty or holds a blank", topic));
  transaction.wake_topics_.emplace_back(topic);
  transaction.wake_keys_.emplace_back(key);
}

}  // namespace certctl::db
