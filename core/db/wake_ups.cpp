#include "core/db/wake_ups.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <stdexcept>
#include <thread>

#include "core/db/connection.hpp"
#include "core/db/messages.hpp"
#include "core/db/signal_descriptor.hpp"
#include "core/db/subscriptions.hpp"

namespace certctl::db {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::string_view kChannelPrefix = "certctl_";
constexpr std::string_view kEverything = "*";
constexpr std::size_t kMostPayload = 4096;
constexpr milliseconds kStatementTimeout = std::chrono::seconds(5);

constexpr std::string_view kTakeOwn = "DELETE FROM outbox WHERE instance_id = $1 RETURNING topic, key";
constexpr std::string_view kTakeOrphans = R"(
  DELETE FROM outbox o
   WHERE o.instance_id <> $1 AND o.created_at < now() - interval '30 seconds'
     AND NOT EXISTS (SELECT 1 FROM server_instances s
                      WHERE s.instance_id = o.instance_id AND s.heartbeat_at > now() - interval '30 seconds')
  RETURNING topic, key)";

bool is_topic(std::string_view topic) {
  return !topic.empty() && topic.size() <= 40 &&
         std::all_of(topic.begin(), topic.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

std::string payload_of(const std::set<std::string>& keys) {
  const std::string text = fmt::format("{}", fmt::join(keys, " "));
  return text.size() > kMostPayload ? std::string(kEverything) : text;
}

std::vector<std::string> keys_of(std::string_view payload) {
  std::vector<std::string> keys;
  if (payload == kEverything) return keys;
  for (const std::string_view key : split(payload, ' ')) keys.emplace_back(key);
  return keys;
}

}  // namespace

/// Holds the LISTEN connection, and polls whether or not there is one.
struct WakeUps::Listener {
  Listener(Database& d, WakeUpOptions o, std::shared_ptr<Subscription::Registry> r)
      : database(d), options(o), registry(std::move(r)), thread([this](std::stop_token stop) { run(stop); }) {}
  ~Listener() {
    thread.request_stop();
    signal.raise();
  }

  void run(const std::stop_token& stop) {
    auto next_poll = steady_clock::now() + options.poll;
    while (!stop.stop_requested()) {
      if (database.capabilities().notify) connect_and_listen();
      wait_until(next_poll);
      if (stop.stop_requested()) return;
      receive();
      if (steady_clock::now() >= next_poll) {
        registry->tell_all();
        next_poll = steady_clock::now() + options.poll;
      }
    }
  }

  void connect_and_listen() {
    if (!connection && steady_clock::now() < next_attempt) return;
    try {
      const bool fresh = !connection;
      if (fresh) {
        channels.clear();
        connection = database.connect("listen", kStatementTimeout);
      }
      std::vector<std::string> added;
      for (const std::string& topic : registry->topics()) {
        if (channels.contains(topic)) continue;
        connection->execute(fmt::format("LISTEN {}{}", kChannelPrefix, topic));
        channels.insert(topic);
        added.push_back(topic);
      }
      if (fresh) log::write(kWakeListening);
      listening = true;
      // What happened before the LISTEN was not heard.
      for (const std::string& topic : added) registry->tell(topic, {});
    } catch (const Error& error) {
      lose(error);
    }
  }

  void wait_until(steady_clock::time_point until) {
    pollfd ready[2] = {{signal.descriptor(), POLLIN, 0}, {connection ? connection->descriptor() : -1, POLLIN, 0}};
    if (!connection && next_attempt > steady_clock::now()) until = std::min(until, next_attempt);
    const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now());
    ::poll(ready, 2, int(std::max<std::int64_t>(left.count(), 0)));
    if (ready[0].revents != 0) signal.clear();
  }

  void receive() {
    if (!connection) return;
    try {
      std::map<std::string, std::set<std::string>> keys;
      std::set<std::string> whole;
      for (const Notification& notification : connection->notifications()) {
        if (!notification.channel.starts_with(kChannelPrefix)) continue;
        const std::string topic = notification.channel.substr(kChannelPrefix.size());
        if (notification.payload == kEverything) whole.insert(topic);
        for (std::string& key : keys_of(notification.payload)) keys[topic].insert(std::move(key));
        keys.try_emplace(topic);
      }
      for (const auto& [topic, changed] : keys)
        registry->tell(topic, whole.contains(topic) ? std::vector<std::string>()
                                                    : std::vector<std::string>(changed.begin(), changed.end()));
    } catch (const Error& error) {
      lose(error);
    }
  }

  void lose(const Error& error) {
    if (listening || next_attempt == steady_clock::time_point{}) log::write(kWakePolling, {{"reason", error.what()}});
    listening = false;
    connection.reset();
    next_attempt = steady_clock::now() + options.poll / 4;
  }

  Database& database;
  const WakeUpOptions options;
  const std::shared_ptr<Subscription::Registry> registry;
  SignalDescriptor signal;
  std::atomic<bool> listening{false};
  // Of the thread only:
  std::unique_ptr<Connection> connection;
  std::set<std::string> channels;
  steady_clock::time_point next_attempt{};
  std::jthread thread;
};

/// Turns outbox rows into notifications.
struct WakeUps::Sender {
  Sender(Database& d, WakeUpOptions o) : database(d), options(o), thread([this](std::stop_token stop) { run(stop); }) {}

  void written() {
    std::scoped_lock lock(mutex);
    pending = true;
    changed.notify_all();
  }

  void run(const std::stop_token& stop) {
    auto next_sweep = steady_clock::now();
    while (!stop.stop_requested()) {
      const auto now = steady_clock::now();
      if (database.capabilities().notify) {
        try {
          if (!connection) connection = database.connect("outbox", kStatementTimeout);
          collect(connection->run(kTakeOwn, database.instance_id()));
          if (now >= next_sweep) {
            collect(connection->run(kTakeOrphans, database.instance_id()));
            next_sweep = now + options.sweep;
          }
          send_due();
        } catch (const Error& error) {
          log::write(kWakeSendFailed, {{"reason", error.what()}});
          connection.reset();
          // Not at once again: the turn of what waits has come already.
          for (auto& [topic, moment] : not_before) moment = std::max(moment, now + options.poll / 4);
        }
      }
      wait(stop);
    }
  }

  void collect(const Result& rows) {
    for (const Row& row : rows) {
      unsent[row.text("topic")].insert(row.text("key"));
      not_before.try_emplace(row.text("topic"));
    }
  }

  /// At most one notification of a topic in `coalesce`.
  void send_due() {
    const auto now = steady_clock::now();
    std::vector<Statement> statements;
    std::vector<std::string> topics;
    for (const auto& [topic, keys] : unsent) {
      if (now < not_before[topic]) continue;
      statements.push_back(
          statement("SELECT pg_notify($1, $2)", fmt::format("{}{}", kChannelPrefix, topic), payload_of(keys)));
      topics.push_back(topic);
    }
    if (statements.empty()) return;
    connection->exchange(statements);
    for (const std::string& topic : topics) {
      unsent.erase(topic);
      not_before[topic] = now + options.coalesce;
    }
  }

  void wait(const std::stop_token& stop) {
    auto until = steady_clock::now() + options.poll;
    for (const auto& [topic, keys] : unsent) until = std::min(until, not_before[topic]);
    std::unique_lock lock(mutex);
    // While something waits for its turn, what comes meanwhile joins it.
    changed.wait_until(lock, stop, until, [&] { return pending && unsent.empty(); });
    pending = false;
  }

  Database& database;
  const WakeUpOptions options;
  std::mutex mutex;
  std::condition_variable_any changed;
  bool pending = false;
  // Of the thread only:
  std::unique_ptr<Connection> connection;
  std::map<std::string, std::set<std::string>> unsent;
  std::map<std::string, steady_clock::time_point> not_before;
  std::jthread thread;
};

WakeUps::WakeUps(Database& database, WakeUpOptions options)
    : registry_(std::make_shared<Subscription::Registry>()),
      listener_(std::make_unique<Listener>(database, options, registry_)),
      sender_(std::make_unique<Sender>(database, options)) {
  database.set_outbox_listener([sender = sender_.get()] { sender->written(); });
}

WakeUps::~WakeUps() { sender_->database.set_outbox_listener({}); }

Subscription WakeUps::subscribe(std::string topic, Callback callback) {
  if (!is_topic(topic)) throw std::logic_error(fmt::format("`{}` is no topic", topic));
  Subscription subscription(registry_, registry_->add(std::move(topic), std::move(callback)));
  listener_->signal.raise();
  return subscription;
}

bool WakeUps::listening() const { return listener_->listening; }

}  // namespace certctl::db
