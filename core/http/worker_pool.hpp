#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace certctl::http {

/// Threads that run handlers. The waiting line is bounded; a second line for urgent work (probes, agents' reports) has
/// its own bound and one thread that takes nothing else, so that a flood of lists cannot hide a heartbeat.
class WorkerPool {
 public:
  using Job = std::function<void()>;

  WorkerPool(std::size_t threads, std::size_t queue);
  ~WorkerPool();

  /// False: the line is full, or the pool has stopped. A job must not throw.
  bool submit(Job job, bool urgent);
  /// For the continuation of what was already admitted: never refused before stop().
  void submit_always(Job job, bool urgent = false);
  /// Runs what waits, then ends the threads. Idempotent.
  void stop();

  std::size_t queued() const;
  std::size_t busy() const { return busy_; }

 private:
  void run(bool urgent_only);

  const std::size_t limit_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::condition_variable urgent_ready_;
  std::deque<Job> ordinary_;
  std::deque<Job> urgent_;
  bool stopping_ = false;
  std::atomic<std::size_t> busy_{0};
  std::vector<std::thread> threads_;
};

}  // namespace certctl::http
