#include "core/scheduler/worker_pool.hpp"

#include <algorithm>

#include "core/scheduler/messages.hpp"

namespace certctl::scheduler {

void WorkerPool::post(std::function<void()> task) {
  std::unique_lock lock(mutex_);
  tasks_.push_back(std::move(task));
  const std::size_t idle = threads_.size() - busy_;
  if (idle < tasks_.size() && threads_.size() < limit_ && !stopping_) threads_.emplace_back([this] { run(); });
  lock.unlock();
  ready_.notify_one();
}

std::size_t WorkerPool::free() const {
  std::scoped_lock lock(mutex_);
  const std::size_t taken = busy_ + tasks_.size();
  return stopping_ || taken >= limit_ ? 0 : limit_ - taken;
}

std::size_t WorkerPool::busy() const {
  std::scoped_lock lock(mutex_);
  return busy_;
}

void WorkerPool::stop() {
  std::vector<std::thread> threads;
  {
    std::scoped_lock lock(mutex_);
    stopping_ = true;
    threads.swap(threads_);
  }
  ready_.notify_all();
  for (auto& thread : threads) thread.join();
}

bool WorkerPool::wait_idle(std::chrono::microseconds limit) {
  std::unique_lock lock(mutex_);
  return idle_.wait_for(lock, limit, [this] { return busy_ == 0 && tasks_.empty(); });
}

void WorkerPool::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ready_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    auto task = std::move(tasks_.front());
    tasks_.pop_front();
    ++busy_;
    lock.unlock();
    try {
      task();
    } catch (const std::exception& e) {
      log::write(messages::kTaskFailed, {{"error", e.what()}});
    }
    task = nullptr;
    lock.lock();
    --busy_;
    if (busy_ == 0 && tasks_.empty()) idle_.notify_all();
  }
}

}  // namespace certctl::scheduler
