#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "core/base/clock.hpp"

namespace certctl::agent {

/// One thread that takes a turn, waits as long as the turn says, and takes the next.
class Activity {
 public:
  /// How long to wait afterwards. Exceptions are logged; the next turn comes after `kAfterFailure`.
  using Turn = std::function<Duration()>;
  static constexpr Duration kAfterFailure = std::chrono::seconds(30);

  Activity(std::string name, Turn turn) : name_(std::move(name)), turn_(std::move(turn)) {}
  ~Activity() { stop(); }
  Activity(const Activity&) = delete;
  Activity& operator=(const Activity&) = delete;

  void start(Duration first_wait = {});
  /// Takes the next turn at once; one that runs is followed by another.
  void wake();
  /// Asks for the end and waits for it; a turn that runs is finished.
  void stop();
  /// Asks for the end only.
  void request_stop();

  const std::string& name() const { return name_; }
  /// Since when the turn that runs now has been running; zero: none runs.
  std::chrono::steady_clock::duration running_for() const;

 private:
  void run(Duration first_wait);

  const std::string name_;
  const Turn turn_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
  bool stopping_ = false;
  bool in_turn_ = false;
  std::chrono::steady_clock::time_point turn_began_{};
  std::thread thread_;
};

}  // namespace certctl::agent
