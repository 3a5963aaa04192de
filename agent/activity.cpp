#include "agent/activity.hpp"

#include "agent/messages.hpp"

namespace certctl::agent {

void Activity::start(Duration first_wait) {
  thread_ = std::thread([this, first_wait] { run(first_wait); });
}

void Activity::wake() {
  {
    const std::scoped_lock lock(mutex_);
    woken_ = true;
  }
  changed_.notify_one();
}

void Activity::request_stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
}

void Activity::stop() {
  request_stop();
  if (thread_.joinable()) thread_.join();
}

std::chrono::steady_clock::duration Activity::running_for() const {
  const std::scoped_lock lock(mutex_);
  return in_turn_ ? std::chrono::steady_clock::now() - turn_began_ : std::chrono::steady_clock::duration::zero();
}

void Activity::run(Duration first_wait) {
  Duration wait = first_wait;
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait_for(lock, wait, [this] { return woken_ || stopping_; });
    if (stopping_) return;
    woken_ = false;
    in_turn_ = true;
    turn_began_ = std::chrono::steady_clock::now();
    lock.unlock();
    try {
      wait = turn_();
    } catch (const std::exception& e) {
      log::write(kActivityFailed, {{"activity", name_}, {"error", e.what()}});
      wait = kAfterFailure;
    }
    lock.lock();
    in_turn_ = false;
  }
}

}  // namespace certctl::agent
