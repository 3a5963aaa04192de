#include "core/scheduler/loops.hpp"

#include "core/base/error.hpp"
#include "core/scheduler/messages.hpp"
#include "core/store/loops.hpp"

namespace certctl::scheduler {

using namespace std::chrono_literals;

Loops::Loops(db::Database& database, db::Leases& leases, const Clock& clock, std::vector<Loop> loops)
    : database_(database), leases_(leases), clock_(clock), loops_(std::move(loops)) {}

Loops::~Loops() { stop(); }

void Loops::start() {
  for (const auto& loop : loops_) store::loops::declare(database_, loop.name);
  thread_ = std::thread([this] { run(); });
}

void Loops::stop() {
  {
    std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Loops::hurry(const std::string& name) {
  store::loops::hurry(database_, name);
  {
    std::scoped_lock lock(mutex_);
    hurried_ = true;
  }
  ready_.notify_all();
}

void Loops::run_if_due(const Loop& loop) {
  auto lease = leases_.take("loop/" + loop.name);
  if (!lease) return;
  const auto guard = [&](db::Transaction& tx) { lease->guard(tx); };
  const bool ours = database_.transaction([&](db::Transaction& tx) {
    guard(tx);
    return store::loops::begin(tx, loop.name, loop.interval);
  });
  if (!ours) return;
  std::string error;
  std::optional<Time> next;
  try {
    next = loop.run(guard);
  } catch (const db::LeaseLost&) {
    log::write(messages::kLoopLost, {{"loop", loop.name}});
    return;
  } catch (const Error& e) {
    error = e.what();
    log::write(messages::kLoopFailed, {{"loop", loop.name}, {"error", error}});
  }
  // Half a second at least: a loop that is always due must not spin.
  if (next) next = std::max(*next, clock_.now() + 500ms);
  database_.transaction([&](db::Transaction& tx) {
    guard(tx);
    store::loops::finish(tx, loop.name, next, error);
  });
}

void Loops::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    hurried_ = false;
    lock.unlock();
    try {
      for (const auto& name : store::loops::due(database_)) {
        for (const auto& loop : loops_) {
          if (loop.name == name) run_if_due(loop);
        }
      }
    } catch (const Error& e) {
      log::write(messages::kLoopFailed, {{"loop", "all"}, {"error", e.what()}});
    }
    lock.lock();
    ready_.wait_for(lock, 1s, [this] { return stopping_ || hurried_; });
  }
}

}  // namespace certctl::scheduler
