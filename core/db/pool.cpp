#include "core/db/pool.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <random>

#include "core/db/messages.hpp"

namespace certctl::db {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// LISTEN, outbox sender, leases: they connect outside the pool.
constexpr int kOutside = 3;
constexpr milliseconds kFirstBackOff{50};
constexpr milliseconds kLongestBackOff{2000};

double spread(double share) {
  thread_local std::minstd_rand generator{std::random_device{}()};
  return std::uniform_real_distribution<double>(1 - share, 1 + share)(generator);
}

}  // namespace

Pool::Pool(const DatabaseOptions& options)
    : options_(options),
      limit_(std::max(2, options.max_connections - kOutside)),
      reserve_(limit_ >= 8  ? 2
               : limit_ > 2 ? 1
                            : 0),
      janitor_([this](std::stop_token stop) {
        const auto pause = std::clamp<milliseconds>(options_.idle_timeout / 4, milliseconds(20), milliseconds(30000));
        std::unique_lock lock(mutex_);
        while (!stop.stop_requested() && !closed_) {
          changed_.wait_for(lock, pause, [&] { return closed_ || stop.stop_requested(); });
          close_idle();
        }
      }) {}

Pool::~Pool() {
  close();
  janitor_.request_stop();
  changed_.notify_all();
}

Pool::Borrowed::~Borrowed() {
  if (connection_) pool_->give_back(std::move(connection_), expires_, generation_);
}

bool Pool::may_take(Priority priority) const {
  return in_use_ < limit_ - (priority == Priority::reserved ? 0 : reserve_);
}

Pool::Borrowed Pool::acquire(Priority priority, milliseconds timeout) {
  const Moment until = steady_clock::now() + timeout;
  std::unique_lock lock(mutex_);
  ++counts_.waiting;
  struct Counted {
    int& waiting;
    ~Counted() { --waiting; }
  } counted{counts_.waiting};

  for (;;) {
    if (closed_) throw unavailable("the database connection is shut down");
    const Moment now = steady_clock::now();
    if (may_take(priority)) {
      while (!idle_.empty()) {
        Idle one = std::move(idle_.back());
        idle_.pop_back();
        if (one.expires <= now || !one.connection->is_alive()) continue;
        ++in_use_;
        ++counts_.acquired;
        return Borrowed(*this, std::move(one.connection), one.expires, generation_);
      }
      if (!away_ || now >= next_attempt_) {
        try {
          return connect_one(lock);
        } catch (const ConnectionLost&) {
          continue;  // logged; the back-off says when to try again
        }
      }
    }
    const Moment wake_up = away_ ? std::min(until, next_attempt_) : until;
    if (now >= until) {
      ++counts_.timeouts;
      throw unavailable(away_ ? "the database cannot be reached"
                              : "all database connections are in use; the server is overloaded");
    }
    changed_.wait_until(lock, std::max(wake_up, now + milliseconds(1)));
  }
}

/// Connects without holding the lock. While the server is away only one caller at a time tries.
Pool::Borrowed Pool::connect_one(std::unique_lock<std::mutex>& lock) {
  ++in_use_;
  const std::uint64_t generation = generation_;
  if (away_) next_attempt_ = steady_clock::now() + kLongestBackOff;
  std::unique_ptr<Connection> connection;
  std::optional<ConnectionLost> failure;
  lock.unlock();
  try {
    connection = connect("pool", options_.statement_timeout);
  } catch (const ConnectionLost& lost) {
    failure = lost;
  } catch (...) {
    lock.lock();
    --in_use_;
    changed_.notify_all();
    throw;
  }
  lock.lock();
  if (failure) {
    --in_use_;
    back_off_ = std::clamp(back_off_ * 2, kFirstBackOff, kLongestBackOff);
    next_attempt_ = steady_clock::now() + std::chrono::duration_cast<milliseconds>(back_off_ * spread(0.2));
    if (!away_) log::write(kDbLost, {{"database", options_.target.describe()}, {"reason", failure->what()}});
    away_ = true;
    changed_.notify_all();
    throw *failure;
  }
  if (!connected_once_)
    log::write(kDbConnected,
               {{"database", options_.target.describe()}, {"server_version", connection->server_version()}});
  else if (away_)
    log::write(kDbBack, {{"database", options_.target.describe()}});
  connected_once_ = true;
  away_ = false;
  back_off_ = milliseconds(0);
  ++counts_.connects;
  ++counts_.acquired;
  changed_.notify_all();
  return Borrowed(*this, std::move(connection), end_of_life(), generation);
}

std::unique_ptr<Connection> Pool::connect(std::string_view purpose, milliseconds statement_timeout) const {
  std::optional<Secret> password;
  if (options_.password && options_.target.password().empty()) password = options_.password();
  return std::make_unique<Connection>(options_.target,
                                      ConnectionSettings{.application_name = fmt::format("certctl {}", purpose),
                                                         .statement_timeout = statement_timeout,
                                                         .password = password ? &*password : nullptr,
                                                         .require_tls = options_.require_tls});
}

void Pool::give_back(std::unique_ptr<Connection> connection, Moment expires, std::uint64_t generation) {
  const bool usable = !connection->is_broken() && !connection->in_transaction();
  {
    std::scoped_lock lock(mutex_);
    --in_use_;
    if (usable && !closed_ && generation == generation_)
      idle_.push_back({std::move(connection), steady_clock::now(), expires});
  }
  changed_.notify_one();
  // A connection that is not kept is closed here, outside of the lock.
}

void Pool::report_loss(std::uint64_t generation, std::string_view why) {
  std::deque<Idle> discarded;
  std::scoped_lock lock(mutex_);
  if (generation != generation_) return;
  ++generation_;
  ++counts_.losses;
  discarded.swap(idle_);
  if (!away_ && !closed_) log::write(kDbLost, {{"database", options_.target.describe()}, {"reason", why}});
  away_ = true;
  next_attempt_ = Moment{};
  changed_.notify_all();
}

void Pool::close() {
  std::deque<Idle> discarded;
  std::scoped_lock lock(mutex_);
  closed_ = true;
  discarded.swap(idle_);
  changed_.notify_all();
}

/// Down to keep_idle by idle time; old ones in any case. The front is the longest unused.
void Pool::close_idle() {
  const Moment now = steady_clock::now();
  std::erase_if(idle_, [&](const Idle& one) { return one.expires <= now; });
  while (int(idle_.size()) > options_.keep_idle && now - idle_.front().since > options_.idle_timeout) idle_.pop_front();
}

Pool::Moment Pool::end_of_life() const {
  return steady_clock::now() + std::chrono::duration_cast<milliseconds>(options_.lifetime * spread(0.1));
}

PoolStatistics Pool::statistics() const {
  std::scoped_lock lock(mutex_);
  PoolStatistics out = counts_;
  out.in_use = in_use_;
  out.open = in_use_ + int(idle_.size());
  out.limit = limit_;
  return out;
}

std::uint64_t Pool::losses() const {
  std::scoped_lock lock(mutex_);
  return counts_.losses;
}

}  // namespace certctl::db
