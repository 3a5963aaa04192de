#include "core/db/subscriptions.hpp"

#include <algorithm>

#include "core/db/messages.hpp"

namespace certctl::db {

std::shared_ptr<Subscription::Entry> Subscription::Registry::add(std::string topic, WakeUps::Callback callback) {
  auto entry = std::make_shared<Entry>(Entry{std::move(topic), std::move(callback)});
  std::scoped_lock lock(mutex_);
  entries_.push_back(entry);
  return entry;
}

void Subscription::Registry::remove(const std::shared_ptr<Entry>& entry) {
  std::unique_lock lock(mutex_);
  std::erase(entries_, entry);
  if (caller_ == std::this_thread::get_id()) return;
  idle_.wait(lock, [&] { return running_ != entry; });
}

std::vector<std::string> Subscription::Registry::topics() const {
  std::scoped_lock lock(mutex_);
  std::vector<std::string> topics;
  for (const auto& entry : entries_) topics.push_back(entry->topic);
  std::sort(topics.begin(), topics.end());
  topics.erase(std::unique(topics.begin(), topics.end()), topics.end());
  return topics;
}

void Subscription::Registry::tell(const std::string& topic, const std::vector<std::string>& keys) {
  std::vector<std::shared_ptr<Entry>> wanted;
  {
    std::scoped_lock lock(mutex_);
    std::copy_if(entries_.begin(), entries_.end(), std::back_inserter(wanted),
                 [&](const auto& entry) { return entry->topic == topic; });
  }
  call(wanted, keys);
}

void Subscription::Registry::tell_all() {
  std::vector<std::shared_ptr<Entry>> all;
  {
    std::scoped_lock lock(mutex_);
    all = entries_;
  }
  call(all, {});
}

void Subscription::Registry::call(const std::vector<std::shared_ptr<Entry>>& entries,
                                  const std::vector<std::string>& keys) {
  for (const auto& entry : entries) {
    {
      std::scoped_lock lock(mutex_);
      if (std::find(entries_.begin(), entries_.end(), entry) == entries_.end()) continue;
      running_ = entry;
      caller_ = std::this_thread::get_id();
    }
    try {
      entry->callback(keys);
    } catch (const std::exception& error) {
      log::write(kWakeCallbackFailed, {{"topic", entry->topic}, {"reason", error.what()}});
    }
    {
      std::scoped_lock lock(mutex_);
      running_.reset();
      caller_ = {};
    }
    idle_.notify_all();
  }
}

Subscription::Subscription(std::shared_ptr<Registry> registry, std::shared_ptr<Entry> entry)
    : registry_(std::move(registry)), entry_(std::move(entry)) {}

Subscription::Subscription(Subscription&&) noexcept = default;

Subscription& Subscription::operator=(Subscription&& other) noexcept {
  if (this != &other) {
    cancel();
    registry_ = std::move(other.registry_);
    entry_ = std::move(other.entry_);
  }
  return *this;
}

Subscription::~Subscription() { cancel(); }

void Subscription::cancel() {
  if (!entry_) return;
  registry_->remove(entry_);
  entry_.reset();
  registry_.reset();
}

}  // namespace certctl::db
