#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/db/database.hpp"

namespace certctl::db {

/// Ends when destroyed; waits for a call that is running (unless destroyed from within it).
class Subscription {
 public:
  Subscription() = default;
  Subscription(Subscription&&) noexcept;
  Subscription& operator=(Subscription&&) noexcept;
  ~Subscription();
  void cancel();

 private:
  friend class WakeUps;
  struct Entry;
  struct Registry;
  Subscription(std::shared_ptr<Registry> registry, std::shared_ptr<Entry> entry);
  std::shared_ptr<Registry> registry_;
  std::shared_ptr<Entry> entry_;
};

struct WakeUpOptions {
  std::chrono::milliseconds coalesce = std::chrono::milliseconds(50);  ///< least time between two NOTIFY of a topic
  std::chrono::milliseconds poll = std::chrono::seconds(1);
  std::chrono::milliseconds sweep = std::chrono::seconds(5);  ///< outbox rows of dead instances
};

/// Tells the parts of this process, and those of all others on the same database, that rows changed.
///
/// One thread sends what commits left in `outbox` as at most one NOTIFY a topic in 50 ms; another holds the only LISTEN
/// connection and calls the subscribers. A call is a hint: re-read the tables. Without keys: re-read everything; that
/// comes after each (re)connect and every `poll`, so a lost message costs a second, and all works without NOTIFY.
class WakeUps {
 public:
  /// What changed; empty: anything may have.
  using Callback = std::function<void(const std::vector<std::string>& keys)>;

  explicit WakeUps(Database& database, WakeUpOptions options = {});
  ~WakeUps();
  WakeUps(const WakeUps&) = delete;
  WakeUps& operator=(const WakeUps&) = delete;

  /// The callback runs on the listener's thread: be short, hand work on, do not throw.
  Subscription subscribe(std::string topic, Callback callback);

  /// Whether messages arrive now (else polling carries).
  bool listening() const;

 private:
  struct Listener;
  struct Sender;
  std::shared_ptr<Subscription::Registry> registry_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Sender> sender_;
};

}  // namespace certctl::db
