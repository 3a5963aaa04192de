#pragma once

#include <functional>
#include <thread>

namespace certctl::agent {

/// Receives SIGINT, SIGTERM and SIGHUP on a thread of its own. Make it before any other thread: they inherit the mask.
/// A second stop signal ends the process at once; what was running is settled at the next start.
class SignalWatch {
 public:
  SignalWatch();
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

  void start(std::function<void()> on_stop, std::function<void()> on_reload);
  /// Neither function is called after this; signals have no effect any more.
  void stop();

 private:
  void run();

  int signals_ = -1;
  int end_ = -1;
  std::function<void()> on_stop_;
  std::function<void()> on_reload_;
  std::thread thread_;
};

}  // namespace certctl::agent
