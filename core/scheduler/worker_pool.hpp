#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace certctl::scheduler {

/// Threads for work that may block on a CA. Started when needed, up to a limit; a task that is posted runs as soon as
/// one is free.
class WorkerPool {
 public:
  explicit WorkerPool(std::size_t limit) : limit_(limit) {}
  ~WorkerPool() { stop(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  void post(std::function<void()> task);
  /// Threads that have nothing to do and nothing waiting for them.
  std::size_t free() const;
  std::size_t busy() const;
  /// Runs what was posted and joins. Idempotent.
  void stop();
  /// Waits until nothing is posted or running; false: the time was too short.
  bool wait_idle(std::chrono::microseconds limit);

 private:
  void run();

  const std::size_t limit_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::condition_variable idle_;
  std::deque<std::function<void()>> tasks_;
  std::vector<std::thread> threads_;
  std::size_t busy_ = 0;
  bool stopping_ = false;
};

}  // namespace certctl::scheduler
