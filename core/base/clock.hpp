#pragma once

#include <chrono>
#include <mutex>

namespace certctl {

/// A moment, UTC, as precise as PostgreSQL's timestamptz.
using Time = std::chrono::sys_time<std::chrono::microseconds>;
using Duration = std::chrono::microseconds;

/// Time is a parameter: whoever needs "now" is given a Clock, so that tests can move it.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time now() const = 0;
  /// Monotonic, for deadlines; unaffected by changes of the system's date.
  virtual std::chrono::steady_clock::time_point steady() const = 0;
};

class SystemClock final : public Clock {
 public:
  Time now() const override { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }
  std::chrono::steady_clock::time_point steady() const override { return std::chrono::steady_clock::now(); }
};

/// A clock that stands still until a test moves it.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Time start) : now_(start) {}
  Time now() const override { std::scoped_lock lock(mutex_); return now_; }
  std::chrono::steady_clock::time_point steady() const override { std::scoped_lock lock(mutex_); return steady_; }
  void advance(Duration by) { std::scoped_lock lock(mutex_); now_ += by; steady_ += by; }

 private:
  mutable std::mutex mutex_;
  Time now_;
  std::chrono::steady_clock::time_point steady_{};
};

}  // namespace certctl
