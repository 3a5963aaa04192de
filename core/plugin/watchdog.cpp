#include "core/plugin/watchdog.hpp"

namespace certctl::plugin {

Watchdog::Watchdog(std::chrono::milliseconds grace) : grace_(grace), thread_([this] { run(); }) {}

Watchdog::~Watchdog() {
  {
    std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Watchdog::watch(Watched& watched, TimePoint deadline) {
  std::scoped_lock lock(mutex_);
  const auto place = due_.emplace(deadline, Entry{&watched, false});
  if (place == due_.begin()) changed_.notify_one();
}

void Watchdog::unwatch(Watched& watched) {
  std::scoped_lock lock(mutex_);
  std::erase_if(due_, [&watched](const auto& entry) { return entry.second.watched == &watched; });
}

void Watchdog::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (due_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const TimePoint next = due_.begin()->first;
    if (std::chrono::steady_clock::now() < next) {
      changed_.wait_until(lock, next);
      continue;
    }
    Entry entry = due_.begin()->second;
    due_.erase(due_.begin());
    if (entry.late) {
      entry.watched->overdue();
    } else {
      entry.watched->deadline_passed();
      entry.late = true;
      due_.emplace(next + grace_, entry);
    }
  }
}

}  // namespace certctl::plugin
