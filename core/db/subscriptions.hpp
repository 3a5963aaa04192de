#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/db/wake_ups.hpp"

namespace certctl::db {

struct Subscription::Entry {
  std::string topic;
  WakeUps::Callback callback;
};

/// Who wants to hear of what. Calls come from one thread; subscribing and cancelling from any.
struct Subscription::Registry {
  std::shared_ptr<Entry> add(std::string topic, WakeUps::Callback callback);
  void remove(const std::shared_ptr<Entry>& entry);

  std::vector<std::string> topics() const;
  /// Calls the subscribers of a topic; a subscriber's failure is logged and harms nobody else.
  void tell(const std::string& topic, const std::vector<std::string>& keys);
  void tell_all();

 private:
  void call(const std::vector<std::shared_ptr<Entry>>& entries, const std::vector<std::string>& keys);

  mutable std::mutex mutex_;
  std::condition_variable idle_;
  std::vector<std::shared_ptr<Entry>> entries_;
  std::shared_ptr<Entry> running_;
  std::thread::id caller_;
};

}  // namespace certctl::db
