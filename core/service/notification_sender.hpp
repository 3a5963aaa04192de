#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/base/clock.hpp"
#include "core/db/wake_ups.hpp"
#include "core/domain/notification_channel.hpp"
#include "core/plugin/instance.hpp"
#include "core/store/notifications.hpp"

namespace certctl::service {

struct SenderOptions {
  int max_attempts = 5;                                    ///< CERTCTL_NOTIFICATION_MAX_ATTEMPTS
  Duration ttl = std::chrono::hours(24);                   ///< CERTCTL_NOTIFICATION_TTL; critical ones thrice as long
  Duration retention = std::chrono::hours(400 * 24);       ///< CERTCTL_NOTIFICATION_RETENTION
  std::chrono::milliseconds deadline = std::chrono::seconds(15);  ///< of one send; the lease is twice as long
  int workers = 6;
  int workers_per_channel = 4;  ///< a channel that hangs leaves the others some
  std::chrono::milliseconds poll = std::chrono::seconds(1);
};

/// Delivers notifications, at least once: claims rows of a channel, has the channel's plugin send each outside of any
/// transaction, and writes what came of it under the lease. A crash between the two sends that message again, with the
/// same notification id. Any number of senders, here and in other replicas, may run on one database.
///
/// One thread looks each second, and on every wake-up of topic `notify`, for what is due; workers do the rest.
class NotificationSender {
 public:
  /// What the sender knows of channels; see NotifierChannels.
  struct Channels {
    std::function<bool(const domain::NotificationChannel&)> knows;
    std::function<std::shared_ptr<plugin::Instance>(const domain::NotificationChannel&)> instance;
  };

  NotificationSender(db::Database& database, const Clock& clock, Channels channels, SenderOptions options = {});
  ~NotificationSender();
  NotificationSender(const NotificationSender&) = delete;
  NotificationSender& operator=(const NotificationSender&) = delete;

  /// Starts the threads. `wake_ups` must outlive stop(); nullptr: polling alone.
  void start(db::WakeUps* wake_ups);
  /// Claims no more, gives messages that are under way `grace`, then cancels them. Idempotent.
  void stop(std::chrono::milliseconds grace = std::chrono::seconds(5));

 private:
  /// What is known of a channel here.
  struct Queue {
    domain::NotificationChannel channel;
    bool ready = false;            ///< may have claimable rows
    std::uint64_t generation = 0;  ///< rises whenever `ready` was looked up
    int active = 0;                ///< workers on it
    std::chrono::steady_clock::time_point touched{};  ///< when last_success_at was written
  };
  struct Batch;

  void watch();
  void sweep();
  void route();
  void find_work();
  void work();
  std::unique_ptr<Batch> take_batch(std::unique_lock<std::mutex>& lock);
  std::vector<store::notifications::Claimed> claim(const domain::NotificationChannel& channel, int limit);
  void deliver(Batch& batch);
  plugin::Outcome send(const domain::NotificationChannel& channel, const domain::Notification& row);
  void note_health(Batch& batch);
  bool stopping() const;

  db::Database& database_;
  const Clock& clock_;
  const Channels channels_;
  const SenderOptions options_;
  const std::string owner_;  ///< of leases
  const std::shared_ptr<plugin::Cancellation> cancellation_;

  mutable std::mutex mutex_;
  std::condition_variable work_ready_;   ///< workers
  std::condition_variable look_again_;   ///< the watcher
  std::condition_variable idle_;         ///< stop()
  std::map<std::string, Queue> queues_;  ///< by channel id
  std::uint64_t noted_ = 0;  ///< how often a worker wrote a channel's health
  std::string last_served_;
  bool woken_ = false;
  bool stopping_ = false;
  int busy_ = 0;
  std::set<std::string> missing_types_;  ///< told of already
  Time purged_at_{};

  db::Subscription subscription_;
  std::thread watcher_;
  std::vector<std::thread> workers_;
};

}  // namespace certctl::service
