#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/base/time.hpp"
#include "core/plugin/instance.hpp"
#include "core/service/notification_sender.hpp"
#include "core/service/notifications.hpp"
#include "core/store/notification_channels.hpp"
#include "test/support/postgres.hpp"

namespace certctl::service::testing {

using namespace std::chrono_literals;

/// Waits for a condition; false after ten seconds.
inline bool eventually(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + 10s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

/// A database with one team, its owner and a certificate.
struct Office {
  std::unique_ptr<db::Database> database = test::TestPostgres::shared().open();
  SystemClock clock;
  Audit audit{clock};
  domain::Certificate certificate;

  Office() {
    database->run("INSERT INTO teams (id, name) VALUES ('t-web', 'Web')");
    database->run("INSERT INTO owners (id, name, email, team_id) VALUES ('o-ada', 'Ada', 'ada@example.com', 't-web')");
    database->run("INSERT INTO issuers (id, name, type) VALUES ('iss-local', 'Local CA', 'GenericCA')");
    database->run(R"(INSERT INTO managed_certificates (id, name, common_name, owner_id, team_id, issuer_id, renewal_policy_id, status)
                     VALUES ('mc-api', 'api', 'api.example.com', 'o-ada', 't-web', 'iss-local', 'rp-default', 'Active'))");
    certificate.id = "mc-api";
    certificate.common_name = "api.example.com";
    certificate.owner_id = "o-ada";
    certificate.team_id = "t-web";
    certificate.renewal_policy_id = "rp-default";
    certificate.expires_at = clock.now() + std::chrono::hours(24 * 20 + 1);
  }

  Ground ground() { return {*database, clock, audit}; }
  Notifications notifications(NotificationSettings settings = {}) { return Notifications(ground(), std::move(settings)); }

  void add_channel(const std::string& type) { add_channels({type}); }
  void add_channels(const std::vector<std::string>& types) {
    std::vector<store::notification_channels::Environment> channels;
    for (const auto& type : types) channels.push_back({"nc-env-" + lower(type), type});
    database->transaction([&](db::Transaction& tx) { store::notification_channels::sync_environment(tx, channels); });
  }

  /// A message as another program would put it in, with upstream's columns alone.
  void insert_foreign(const std::string& id, const std::string& channel, const std::string& status = "pending", int retries = 0) {
    database->run(R"(INSERT INTO notification_events (id, type, channel, recipient, message, status, retry_count, next_retry_at, last_error)
                     VALUES ($1, 'ExpirationWarning', $2, 'ops@example.com', 'www.example.com expires', $3::text, $4::int,
                             CASE WHEN $3::text = 'failed' THEN now() - interval '1 minute' END, NULL))", id, channel, status, retries);
  }

  domain::Notification row(const std::string& id) {
    auto found = store::notifications::find(*database, id);
    if (!found) throw std::runtime_error("no notification " + id);
    return *found;
  }
  std::string status(const std::string& id) { return row(id).status.text(); }
  std::int64_t number(const std::string& sql) { return database->run(sql).front().integer(0); }
  /// Lets the time of waiting messages come.
  void make_due() {
    database->run("UPDATE notification_events SET next_retry_at = now() - interval '1 second' WHERE status = 'failed'");
    database->run("UPDATE notification_events SET not_before = now() - interval '1 second' WHERE lease_owner IS NULL AND NOT claimable");
  }
};

inline plugin::Outcome answer(plugin::Status status, std::string text = {}) {
  plugin::Outcome outcome;
  outcome.status = status;
  outcome.text = std::move(text);
  return outcome;
}

/// A channel's plugin that answers as told and remembers what it was given.
class FakeNotifier final : public plugin::Instance {
 public:
  /// How each send is answered; runs on the sender's threads.
  std::function<plugin::Outcome(const plugin::Call&)> respond = [](const plugin::Call&) { return answer(plugin::Status::ok); };

  plugin::Outcome call(std::string_view operation, plugin::Call call) override {
    if (operation != "send") return answer(plugin::Status::not_supported, "send only");
    {
      std::scoped_lock lock(mutex_);
      ++counts_[call.in.text(CERTCTL_KEY_NOTIFICATION_ID)];
      sent_.push_back(call.in);
    }
    return respond(call);
  }
  bool supports(std::string_view operation) const override { return operation == "send"; }
  const plugin::Connector& connector() const override { throw std::logic_error("a fake has no connector"); }
  const std::string& id() const override { return id_; }
  bool poisoned() const override { return false; }

  std::vector<plugin::Fields> sent() const {
    std::scoped_lock lock(mutex_);
    return sent_;
  }
  /// Sends by notification id.
  std::map<std::string, int> counts() const {
    std::scoped_lock lock(mutex_);
    return counts_;
  }

 private:
  const std::string id_ = "fake";
  mutable std::mutex mutex_;
  std::vector<plugin::Fields> sent_;
  std::map<std::string, int> counts_;
};

/// Fakes by channel id.
using Fakes = std::map<std::string, std::shared_ptr<FakeNotifier>>;

inline NotificationSender::Channels channels_of(const Fakes& fakes) {
  return {[fakes](const domain::NotificationChannel& c) { return fakes.contains(c.id); },
          [fakes](const domain::NotificationChannel& c) -> std::shared_ptr<plugin::Instance> { return fakes.at(c.id); }};
}

inline SenderOptions quick() {
  SenderOptions options;
  options.poll = 20ms;
  options.workers = 4;
  options.workers_per_channel = 2;
  return options;
}

}  // namespace certctl::service::testing
