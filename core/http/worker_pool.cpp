#include "core/http/worker_pool.hpp"

#include <algorithm>

namespace certctl::http {

WorkerPool::WorkerPool(std::size_t threads, std::size_t queue) : limit_(std::max<std::size_t>(1, queue)) {
  for (std::size_t i = 0; i < std::max<std::size_t>(1, threads); ++i) threads_.emplace_back([this] { run(false); });
  threads_.emplace_back([this] { run(true); });
}

WorkerPool::~WorkerPool() { stop(); }

bool WorkerPool::submit(Job job, bool urgent) {
  {
    std::scoped_lock lock(mutex_);
    auto& line = urgent ? urgent_ : ordinary_;
    if (stopping_ || line.size() >= limit_) return false;
    line.push_back(std::move(job));
  }
  if (urgent) urgent_ready_.notify_one();
  ready_.notify_one();
  return true;
}

void WorkerPool::submit_always(Job job, bool urgent) {
  {
    std::scoped_lock lock(mutex_);
    if (stopping_) return;
    (urgent ? urgent_ : ordinary_).push_back(std::move(job));
  }
  if (urgent) urgent_ready_.notify_one();
  ready_.notify_one();
}

void WorkerPool::stop() {
  {
    std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
  urgent_ready_.notify_all();
  for (auto& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

std::size_t WorkerPool::queued() const {
  std::scoped_lock lock(mutex_);
  return ordinary_.size() + urgent_.size();
}

void WorkerPool::run(bool urgent_only) {
  auto& ready = urgent_only ? urgent_ready_ : ready_;
  std::unique_lock lock(mutex_);
  for (;;) {
    ready.wait(lock, [&] { return !urgent_.empty() || (!urgent_only && !ordinary_.empty()) || stopping_; });
    auto& line = !urgent_.empty() || urgent_only ? urgent_ : ordinary_;
    if (line.empty()) return;
    Job job = std::move(line.front());
    line.pop_front();
    lock.unlock();
    ++busy_;
    job();
    job = nullptr;  // what it captured goes here, not under the lock
    --busy_;
    lock.lock();
  }
}

}  // namespace certctl::http
