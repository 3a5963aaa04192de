#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

namespace certctl::plugin {

/// One thread that tells calls when their time is up.
class Watchdog {
 public:
  /// Called on the watchdog's thread, under its lock: short, no call back into it.
  class Watched {
   public:
    virtual ~Watched() = default;
    virtual void deadline_passed() = 0;
    virtual void overdue() = 0;
  };
  using TimePoint = std::chrono::steady_clock::time_point;

  /// `grace`: from the deadline to overdue().
  explicit Watchdog(std::chrono::milliseconds grace);
  ~Watchdog();

  void watch(Watched& watched, TimePoint deadline);
  /// After it returns `watched` is not called any more.
  void unwatch(Watched& watched);

 private:
  struct Entry {
    Watched* watched;
    bool late;  ///< deadline_passed() was called, overdue() is next
  };
  void run();

  std::chrono::milliseconds grace_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<TimePoint, Entry> due_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace certctl::plugin
