#include "core/db/leases.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "core/db/connection.hpp"
#include "core/db/messages.hpp"

namespace certctl::db {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::string_view kTake = R"(
  INSERT INTO leases (name, owner, fence, expires_at) VALUES ($1, $2, 1, clock_timestamp() + $3::interval)
  ON CONFLICT (name) DO UPDATE
    SET owner = $2, fence = leases.fence + 1, expires_at = clock_timestamp() + $3::interval
    WHERE leases.expires_at < clock_timestamp()
  RETURNING fence)";

// A row that a guard holds is passed over: nobody can take it over meanwhile either.
constexpr std::string_view kKeep = R"(
  UPDATE leases l SET expires_at = clock_timestamp() + $4::interval
    FROM (SELECT l.name FROM leases l JOIN unnest($1::text[], $2::bigint[]) AS mine (name, fence) USING (name)
           WHERE l.owner = $3 AND l.fence = mine.fence FOR UPDATE OF l SKIP LOCKED) AS mine
   WHERE l.name = mine.name
  RETURNING l.name)";

constexpr std::string_view kKeepWaiting = R"(
  UPDATE leases l SET expires_at = clock_timestamp() + $4::interval
    FROM unnest($1::text[], $2::bigint[]) AS mine (name, fence)
   WHERE l.name = mine.name AND l.owner = $3 AND l.fence = mine.fence
  RETURNING l.name)";

constexpr std::string_view kStillOurs = R"(
  SELECT l.name FROM leases l JOIN unnest($1::text[], $2::bigint[]) AS mine (name, fence)
      ON l.name = mine.name AND l.fence = mine.fence AND l.owner = $3)";

constexpr std::string_view kGiveUp =
    "UPDATE leases SET expires_at = clock_timestamp() WHERE name = $1 AND owner = $2 AND fence = $3";

Duration interval(milliseconds time) { return std::chrono::duration_cast<Duration>(time); }

}  // namespace

LeaseLost::LeaseLost(std::string_view name)
    : Error(Error(ErrorKind::conflict, fmt::format("the lease {} is held by another instance", name))
                .with_code("lease_lost")) {}

/// One lease, shared by its handle and the keeper.
struct Lease::State {
  Leases::Keeper& keeper;
  const std::string name;
  const std::int64_t fence;
  // Guarded by the keeper's mutex:
  steady_clock::time_point until;  // never later than the database's own idea
  std::uint64_t losses;            // of the database, when it was last known to be ours
  bool given_up = false;
};

/// Extends the leases of one instance from a thread and a connection of its own.
struct Leases::Keeper {
  Keeper(Database& d, LeaseOptions o) : database(d), options(o), thread([this](std::stop_token stop) { run(stop); }) {}

  bool held(const Lease::State& state) const {
    const std::uint64_t losses = database.losses();
    std::scoped_lock lock(mutex);
    return !state.given_up && state.losses == losses && steady_clock::now() < state.until;
  }

  /// False: it was given up before.
  bool remove(const std::shared_ptr<Lease::State>& state) {
    std::scoped_lock lock(mutex);
    std::erase(kept, state);
    return !std::exchange(state->given_up, true);
  }

  void run(const std::stop_token& stop) {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait_for(lock, stop, options.keep_every, [] { return false; });
      if (stop.stop_requested()) return;
      const std::vector<std::shared_ptr<Lease::State>> mine = kept;
      lock.unlock();
      if (mine.empty())
        connection.reset();
      else
        keep(mine);
      lock.lock();
    }
  }

  void keep(const std::vector<std::shared_ptr<Lease::State>>& mine) {
    const std::uint64_t losses = database.losses();
    std::vector<std::shared_ptr<Lease::State>> gone;
    std::vector<std::shared_ptr<Lease::State>> ours;
    for (const auto& state : mine) (is_stale(*state, losses) ? gone : ours).push_back(state);
    try {
      if (!connection) connection = database.connect("leases", options.ttl);
      // What a loss has put in doubt is not taken up again: let another have it at once.
      for (const auto& state : gone) connection->run(kGiveUp, state->name, database.instance_id(), state->fence);
      for (const auto& state : gone) drop(state);
      extend(ours);
    } catch (const Error& error) {
      connection.reset();
      if (!ours.empty()) log::write(kLeaseKeepFailed, {{"leases", ours.size()}, {"reason", error.what()}});
      for (const auto& state : ours) doubt(*state);
    }
  }

  void extend(const std::vector<std::shared_ptr<Lease::State>>& ours) {
    if (ours.empty()) return;
    std::vector<std::string> names;
    std::vector<std::int64_t> fences;
    for (const auto& state : ours) {
      names.push_back(state->name);
      fences.push_back(state->fence);
    }
    const auto asked = steady_clock::now();
    const std::string_view statement_text = database.capabilities().skip_locked ? kKeep : kKeepWaiting;
    const Statement statements[] = {
        statement(statement_text, names, fences, database.instance_id(), interval(options.ttl)),
        statement(kStillOurs, names, fences, database.instance_id())};
    const std::vector<Result> results = connection->exchange(statements);
    const auto lists = [](const Result& result, const std::string& name) {
      return std::any_of(result.begin(), result.end(), [&](const Row& row) { return row.view(0) == name; });
    };
    for (const auto& state : ours) {
      if (lists(results[0], state->name)) {
        std::scoped_lock lock(mutex);
        state->until = asked + options.ttl;
      } else if (!lists(results[1], state->name)) {
        log::write(kLeaseLost, {{"lease", state->name}, {"fence", state->fence}});
        drop(state);
      }
    }
  }

  bool is_stale(const Lease::State& state, std::uint64_t losses) const {
    std::scoped_lock lock(mutex);
    return state.losses != losses || steady_clock::now() >= state.until;
  }
  void drop(const std::shared_ptr<Lease::State>& state) {
    std::scoped_lock lock(mutex);
    state->until = {};
    std::erase(kept, state);
  }
  void doubt(Lease::State& state) {
    std::scoped_lock lock(mutex);
    state.until = {};
  }

  Database& database;
  const LeaseOptions options;
  mutable std::mutex mutex;
  std::condition_variable_any changed;
  std::vector<std::shared_ptr<Lease::State>> kept;
  std::unique_ptr<Connection> connection;  // of the thread only
  std::jthread thread;
};

Leases::Leases(Database& database, LeaseOptions options) : keeper_(std::make_unique<Keeper>(database, options)) {}

Leases::~Leases() = default;

std::optional<Lease> Leases::take(std::string_view name) {
  const std::uint64_t losses = keeper_->database.losses();
  const auto asked = steady_clock::now();
  const Result taken =
      keeper_->database.run(kTake, name, keeper_->database.instance_id(), interval(keeper_->options.ttl));
  if (taken.empty()) return std::nullopt;
  const auto state = std::make_shared<Lease::State>(
      Lease::State{*keeper_, std::string(name), taken.front().integer("fence"), asked + keeper_->options.ttl, losses});
  std::scoped_lock lock(keeper_->mutex);
  keeper_->kept.push_back(state);
  return Lease(state);
}

Lease::Lease(Lease&&) noexcept = default;

Lease& Lease::operator=(Lease&& other) noexcept {
  if (this != &other) {
    give_up();
    state_ = std::move(other.state_);
  }
  return *this;
}

Lease::~Lease() { give_up(); }

const std::string& Lease::name() const { return state_->name; }

std::int64_t Lease::fence() const { return state_->fence; }

bool Lease::held() const { return state_ && state_->keeper.held(*state_); }

void Lease::guard(Transaction& transaction) const {
  // A holder that is stopped in the middle keeps others waiting no longer than this.
  const Result row = transaction.run(
      "SELECT set_config('idle_in_transaction_session_timeout', '10s', true) FROM leases"
      " WHERE name = $1 AND fence = $2 FOR SHARE",
      state_->name, state_->fence);
  if (row.empty()) throw LeaseLost(state_->name);
}

void Lease::give_up() noexcept {
  if (!state_ || !state_->keeper.remove(state_)) return;
  try {
    Database& database = state_->keeper.database;
    database.run(kGiveUp, state_->name, database.instance_id(), state_->fence);
  } catch (const Error& error) {
    log::write(kLeaseKeepFailed, {{"lease", state_->name}, {"reason", error.what()}});
  }
}

}  // namespace certctl::db
