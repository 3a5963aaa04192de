#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "core/db/connection.hpp"
#include "core/db/database.hpp"

namespace certctl::db {

/// The connections of a Database: opened on demand, closed when idle or old, all thrown away when one shows that the
/// server is gone. Thread-safe.
class Pool {
 public:
  explicit Pool(const DatabaseOptions& options);
  ~Pool();

  /// A borrowed connection; goes back when destroyed, unless it is broken or still in a transaction.
  class Borrowed {
   public:
    Borrowed(Pool& pool, std::unique_ptr<Connection> connection, std::chrono::steady_clock::time_point expires,
             std::uint64_t generation)
        : pool_(&pool), connection_(std::move(connection)), expires_(expires), generation_(generation) {}
    Borrowed(Borrowed&&) = default;
    Borrowed& operator=(Borrowed&&) = delete;
    ~Borrowed();
    Connection& operator*() { return *connection_; }
    Connection* operator->() { return connection_.get(); }
    std::uint64_t generation() const { return generation_; }

   private:
    Pool* pool_;
    std::unique_ptr<Connection> connection_;
    std::chrono::steady_clock::time_point expires_;
    std::uint64_t generation_;
  };

  /// Throws Error(unavailable) when none was to be had within `timeout`.
  Borrowed acquire(Priority priority, std::chrono::milliseconds timeout);

  /// A connection outside the count.
  std::unique_ptr<Connection> connect(std::string_view purpose, std::chrono::milliseconds statement_timeout) const;

  /// The server is gone: nothing that is open can be trusted. Counts once for all connections of a generation.
  void report_loss(std::uint64_t generation, std::string_view why);
  void close();

  PoolStatistics statistics() const;
  std::uint64_t losses() const;

 private:
  using Moment = std::chrono::steady_clock::time_point;
  struct Idle {
    std::unique_ptr<Connection> connection;
    Moment since;
    Moment expires;
  };
  void give_back(std::unique_ptr<Connection> connection, Moment expires, std::uint64_t generation);
  Borrowed connect_one(std::unique_lock<std::mutex>& lock);
  bool may_take(Priority priority) const;
  void close_idle();
  Moment end_of_life() const;

  const DatabaseOptions& options_;
  const int limit_;
  const int reserve_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Idle> idle_;  // most recently used at the back
  int in_use_ = 0;
  bool closed_ = false;
  bool away_ = false;  // the last attempt to connect failed
  bool connected_once_ = false;
  Moment next_attempt_{};  // back-off while away
  std::chrono::milliseconds back_off_{0};
  std::uint64_t generation_ = 0;  // rises with each loss
  PoolStatistics counts_;
  std::jthread janitor_;
};

}  // namespace certctl::db
