#include "core/service/notification_sender.hpp"

#include <algorithm>

#include "core/base/error.hpp"
#include "core/base/id.hpp"
#include "core/base/random.hpp"
#include "core/base/time.hpp"
#include "core/service/messages.hpp"
#include "core/service/notification_delivery.hpp"
#include "core/service/notification_messages.hpp"
#include "core/store/notification_channels.hpp"

namespace certctl::service {
namespace {

using namespace std::chrono_literals;
using domain::NotificationChannel;
using store::notifications::Claimed;
using store::notifications::Verdict;
namespace rows = store::notifications;

constexpr int kBatch = 16;
/// Results of quick sends share one commit.
constexpr auto kFlushAfter = 50ms;
constexpr auto kTouchAfter = 10s;
constexpr auto kPurgeAfter = 10min;

/// −0.1 … 0.1.
double jitter() {
  std::uint8_t bytes[2];
  fill_random(bytes);
  return (double(bytes[0] << 8 | bytes[1]) / 65535.0 - 0.5) * 0.2;
}

}  // namespace

/// Claimed rows of one channel, in one worker's hands.
struct NotificationSender::Batch {
  NotificationChannel channel;
  std::vector<Claimed> claimed;
  std::chrono::steady_clock::time_point last_start;  ///< a send begun later could outlive the lease
  std::vector<ChannelSign> signs;
  Duration pause{};
  std::string error;
};

NotificationSender::NotificationSender(db::Database& database, const Clock& clock, Channels channels, SenderOptions options)
    : database_(database), clock_(clock), channels_(std::move(channels)), options_(options), owner_(new_id("sender", clock)),
      cancellation_(std::make_shared<plugin::Cancellation>()) {}

NotificationSender::~NotificationSender() { stop(); }

void NotificationSender::start(db::WakeUps* wake_ups) {
  watcher_ = std::thread([this] { watch(); });
  for (int i = 0; i < options_.workers; ++i) workers_.emplace_back([this] { work(); });
  if (wake_ups == nullptr) return;
  subscription_ = wake_ups->subscribe("notify", [this](const std::vector<std::string>&) {
    std::scoped_lock lock(mutex_);
    woken_ = true;
    look_again_.notify_one();
  });
}

void NotificationSender::stop(std::chrono::milliseconds grace) {
  subscription_.cancel();
  {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    look_again_.notify_all();
    work_ready_.notify_all();
    if (!idle_.wait_for(lock, grace, [this] { return busy_ == 0; })) cancellation_->cancel();
  }
  if (watcher_.joinable()) watcher_.join();
  for (auto& worker : workers_) {
    if (worker.joinable()) worker.join();
  }
}

bool NotificationSender::stopping() const {
  std::scoped_lock lock(mutex_);
  return stopping_;
}

// --- the watcher ---------------------------------------------------------------------------------------------------

void NotificationSender::watch() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    woken_ = false;
    lock.unlock();
    try {
      sweep();
      find_work();
    } catch (const std::exception& e) {
      log::write(messages::kWorkerError, {{"worker", "notifications"}, {"error", e.what()}});
    }
    lock.lock();
    look_again_.wait_for(lock, options_.poll, [this] { return woken_ || stopping_; });
  }
}

void NotificationSender::sweep() {
  rows::retry_due(database_);
  rows::promote_due(database_);
  route();
  for (const auto& id : rows::channels_with_work(database_)) {
    const auto expired = rows::expire(database_, id, options_.ttl, 3 * options_.ttl);
    if (expired > 0) log::write(messages::kNotificationExpired, {{"channel", id}, {"count", expired}});
  }
  if (clock_.now() - purged_at_ > kPurgeAfter) {
    rows::purge(database_, options_.retention);
    purged_at_ = clock_.now();
  }
}

/// Gives every message a channel that exists.
void NotificationSender::route() {
  const auto enabled = store::notification_channels::enabled(database_);
  for (const auto& id : rows::channels_with_work(database_)) {
    const bool exists = std::any_of(enabled.begin(), enabled.end(), [&](const auto& c) { return c.id == id; });
    if (!exists) rows::unroute(database_, id);
  }
  for (std::int64_t routed = rows::kSlice; routed == rows::kSlice && !stopping();) {
    const auto result = rows::route(database_, options_.max_attempts);
    routed = result.rows;
    for (const auto& type : result.without_channel) {
      if (missing_types_.insert(type).second) log::write(messages::kNotificationUnheard, {{"type", type}});
    }
  }
}

void NotificationSender::find_work() {
  std::unique_lock lock(mutex_);
  const std::uint64_t noted = noted_;
  lock.unlock();
  auto enabled = store::notification_channels::enabled(database_);
  const auto with_work = rows::channels_with_work(database_);
  lock.lock();
  for (auto& [id, queue] : queues_) queue.ready = false;
  for (auto& channel : enabled) {
    if (!channels_.knows(channel)) continue;
    Queue& queue = queues_[channel.id];
    queue.ready = std::find(with_work.begin(), with_work.end(), channel.id) != with_work.end();
    ++queue.generation;
    // What a worker noted meanwhile is newer than what was read.
    if (noted == noted_ || queue.channel.id.empty()) queue.channel = std::move(channel);
  }
  work_ready_.notify_all();
}

// --- the workers ---------------------------------------------------------------------------------------------------

void NotificationSender::work() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto batch = take_batch(lock);
    if (!batch) {
      if (!stopping_) work_ready_.wait(lock);
      continue;
    }
    lock.unlock();
    try {
      deliver(*batch);
      note_health(*batch);
    } catch (const std::exception& e) {
      log::write(messages::kWorkerError, {{"worker", "notifications"}, {"channel", batch->channel.id}, {"error", e.what()}});
    }
    lock.lock();
    --queues_[batch->channel.id].active;
    --busy_;
    idle_.notify_all();
    work_ready_.notify_one();
  }
}

/// Rows of the next channel in turn that has some; nullptr: none has. The lock is open while the database is asked.
std::unique_ptr<NotificationSender::Batch> NotificationSender::take_batch(std::unique_lock<std::mutex>& lock) {
  for (std::size_t tried = 0; tried < queues_.size() && !stopping_; ++tried) {
    auto next = queues_.upper_bound(last_served_);
    if (next == queues_.end()) next = queues_.begin();
    last_served_ = next->first;
    Queue& queue = next->second;
    const auto& breaker = queue.channel.breaker;
    const bool probing = !breaker.closed();
    const int most = probing ? 1 : options_.workers_per_channel;
    if (!queue.ready || queue.active >= most || (probing && !breaker.admits_probe(clock_.now()))) continue;

    const std::uint64_t generation = queue.generation;
    auto batch = std::make_unique<Batch>();
    batch->channel = queue.channel;
    ++queue.active;
    ++busy_;
    lock.unlock();
    const auto begun = clock_.steady();
    batch->last_start = begun + options_.deadline;
    try {
      batch->claimed = claim(batch->channel, probing ? 1 : kBatch);
    } catch (const std::exception& e) {
      log::write(messages::kWorkerError, {{"worker", "notifications"}, {"error", e.what()}});
    }
    lock.lock();
    if (batch->claimed.empty() && queue.generation == generation) queue.ready = false;
    if (!batch->claimed.empty()) return batch;
    --queue.active;
    --busy_;
    idle_.notify_all();
    tried = 0;
  }
  return nullptr;
}

std::vector<Claimed> NotificationSender::claim(const NotificationChannel& channel, int limit) {
  const Duration lease = 2 * options_.deadline;
  if (channel.breaker.closed()) return rows::claim(database_, channel.id, limit, owner_, lease);
  return database_.transaction([&](db::Transaction& tx) -> std::vector<Claimed> {
    auto locked = store::notification_channels::lock(tx, channel.id);
    if (!locked || !locked->channel.enabled) return {};
    auto& breaker = locked->channel.breaker;
    if (!breaker.closed()) {
      if (!breaker.admits_probe(locked->now)) return {};
      breaker.begin_probe(locked->now, lease);
      store::notification_channels::store_health(tx, locked->channel);
    }
    return rows::claim(tx, channel.id, limit, owner_, lease);
  });
}

plugin::Outcome NotificationSender::send(const NotificationChannel& channel, const domain::Notification& row) {
  try {
    plugin::Call call;
    call.in = send_fields(row);
    call.timeout = options_.deadline;
    call.cancellation = cancellation_;
    call.request_id = row.id;
    return channels_.instance(channel)->call("send", std::move(call));
  } catch (const Error& e) {
    plugin::Outcome outcome;
    outcome.status = e.kind() == ErrorKind::invalid ? plugin::Status::invalid_config : plugin::Status::transient;
    outcome.text = e.what();
    return outcome;
  }
}

void NotificationSender::deliver(Batch& batch) {
  std::vector<rows::Result> results;
  auto flushed = clock_.steady();
  const auto flush = [&] {
    if (results.empty()) return;
    const auto written = rows::record(database_, owner_, results);
    for (std::size_t lost = written.size(); lost < results.size(); ++lost)
      log::write(messages::kNotificationLeaseLost, {{"channel", batch.channel.id}});
    results.clear();
    flushed = clock_.steady();
  };

  bool give_back = false;
  for (const auto& claimed : batch.claimed) {
    give_back = give_back || clock_.steady() > batch.last_start || stopping();
    if (give_back) {
      results.push_back(put_back(claimed));
      continue;
    }
    const plugin::Outcome outcome = send(batch.channel, claimed.row);
    if (outcome.status == plugin::Status::cancelled && stopping()) {
      results.push_back(put_back(claimed));
      continue;
    }
    Judgement judgement = judge(outcome, claimed, options_.max_attempts, clock_.now(), jitter());
    const auto& result = judgement.result;
    const auto& message = result.verdict == Verdict::sent     ? messages::kNotificationSent
                          : result.verdict == Verdict::failed ? messages::kNotificationRetry
                                                              : messages::kNotificationDead;
    log::write(message, {{"notification", result.id}, {"channel", batch.channel.id}, {"type", claimed.row.type},
                         {"attempt", claimed.row.retry_count + 1}, {"error", result.error}});
    batch.signs.push_back(judgement.sign);
    batch.pause = std::max(batch.pause, judgement.pause);
    if (judgement.sign == ChannelSign::works) batch.channel.breaker.succeeded(clock_.now());
    if (judgement.sign == ChannelSign::fails) {
      batch.channel.breaker.failed(clock_.now());
      batch.error = result.error;
    }
    give_back = !batch.channel.breaker.closed() || batch.pause > Duration{};
    results.push_back(std::move(judgement.result));
    if (clock_.steady() - flushed > kFlushAfter) flush();
  }
  flush();
}

/// Writes what the batch showed about the channel, where that changes anything.
void NotificationSender::note_health(Batch& batch) {
  if (batch.signs.empty()) return;
  const bool all_good = std::all_of(batch.signs.begin(), batch.signs.end(), [](auto s) { return s == ChannelSign::works; });
  {
    std::scoped_lock lock(mutex_);
    Queue& queue = queues_[batch.channel.id];
    if (all_good && queue.channel.breaker.at_rest()) {
      if (clock_.steady() - queue.touched < kTouchAfter && queue.channel.last_success_at) return;
      queue.touched = clock_.steady();
    }
  }
  const auto change = database_.transaction([&](db::Transaction& tx) {
    auto locked = store::notification_channels::lock(tx, batch.channel.id);
    std::pair<NotificationChannel, NotificationChannel> before_after;
    if (!locked) return before_after;
    NotificationChannel& channel = locked->channel;
    before_after.first = channel;
    for (const auto sign : batch.signs) {
      if (sign == ChannelSign::works) {
        channel.breaker.succeeded(locked->now);
        channel.last_success_at = locked->now;
      } else if (sign == ChannelSign::fails) {
        channel.breaker.failed(locked->now);
        channel.last_failure_at = locked->now;
      }
    }
    if (batch.pause > Duration{}) channel.breaker.pause(locked->now + batch.pause);
    store::notification_channels::store_health(tx, channel);
    before_after.second = channel;
    return before_after;
  });
  const auto& [before, after] = change;
  if (after.id.empty()) return;
  if (after.breaker.openings > before.breaker.openings)
    log::write(messages::kChannelPaused, {{"channel", after.id}, {"until", format_time(*after.breaker.open_until)}, {"error", batch.error}});
  if (before.breaker.openings > 0 && after.breaker.openings == 0) log::write(messages::kChannelBack, {{"channel", after.id}});
  std::scoped_lock lock(mutex_);
  queues_[after.id].channel = after;
  ++noted_;
}

}  // namespace certctl::service
