#include <catch2/catch.hpp>

#include <atomic>
#include <latch>

#include "core/service/notification_test_support.hpp"

using namespace certctl;
using namespace certctl::service;
using namespace certctl::service::testing;
using plugin::Status;

namespace {

/// A webhook channel with a fake behind it, and a sender.
struct Desk : Office {
  std::shared_ptr<FakeNotifier> webhook = std::make_shared<FakeNotifier>();
  std::unique_ptr<NotificationSender> sender;

  Desk() { add_channel("Webhook"); }
  ~Desk() { sender.reset(); }
  void start(SenderOptions options = quick()) {
    sender = std::make_unique<NotificationSender>(*database, clock, channels_of({{"nc-env-webhook", webhook}}), options);
    sender->start(nullptr);
  }
  bool becomes(const std::string& id, const std::string& wanted) {
    return eventually([&] { return status(id) == wanted; });
  }
};

}  // namespace

TEST_CASE("A message that foreign SQL put in with upstream's columns alone is delivered") {
  Desk desk;
  desk.insert_foreign("notif-1", "Webhook");
  desk.start();
  REQUIRE(desk.becomes("notif-1", "sent"));
  const auto row = desk.row("notif-1");
  CHECK(row.sent_at.has_value());
  CHECK(row.delivered == true);
  CHECK(row.retry_count == 0);
  CHECK(json::parse(store::notifications::attempts(*desk.database, "notif-1")->text).Size() == 1);
  const auto sent = desk.webhook->sent().at(0);
  CHECK(sent.text(CERTCTL_KEY_EVENT) == "ExpirationWarning");
  CHECK(sent.text(CERTCTL_KEY_BODY) == "www.example.com expires");
  CHECK(sent.text(CERTCTL_KEY_NOTIFICATION_ID) == "notif-1");
}

TEST_CASE("A message that keeps failing is tried five times, later each time, and then dead") {
  Desk desk;
  desk.webhook->respond = [](const plugin::Call&) { return answer(Status::transient, "connection refused"); };
  desk.insert_foreign("notif-1", "Webhook");
  desk.start();
  for (int failure = 1; failure <= 4; ++failure) {
    REQUIRE(eventually([&] { return desk.row("notif-1").retry_count == failure; }));
    const auto row = desk.row("notif-1");
    CHECK(row.status.text() == "failed");
    CHECK(row.last_error == "connection refused");
    CHECK(row.error == row.last_error);
    CHECK_FALSE(row.sent_at.has_value());
    const double minutes = std::chrono::duration<double>(*row.next_retry_at - desk.clock.now()).count() / 60;
    CHECK(minutes > 0.85 * (1 << (failure - 1)));
    CHECK(minutes < 1.15 * (1 << (failure - 1)));
    desk.make_due();
  }
  REQUIRE(desk.becomes("notif-1", "dead"));
  const auto row = desk.row("notif-1");
  CHECK(row.retry_count == 5);
  CHECK_FALSE(row.next_retry_at.has_value());
  CHECK(row.last_error == "connection refused");
  CHECK(desk.webhook->counts()["notif-1"] == 5);
}

TEST_CASE("A dead message that is requeued is delivered") {
  Desk desk;
  std::atomic<bool> broken = true;
  desk.webhook->respond = [&](const plugin::Call&) { return broken ? answer(Status::permanent, "gone") : answer(Status::ok); };
  desk.insert_foreign("notif-1", "Webhook");
  desk.start();
  REQUIRE(desk.becomes("notif-1", "dead"));
  broken = false;
  desk.notifications().requeue(system_context(), "notif-1");
  desk.make_due();
  CHECK(desk.becomes("notif-1", "sent"));
}

TEST_CASE("A rate limited message waits without losing an attempt, and so does its channel") {
  Desk desk;
  desk.webhook->respond = [](const plugin::Call&) {
    auto outcome = answer(Status::rate_limited, "slow down");
    outcome.out.add_int(CERTCTL_KEY_RETRY_IN_MS, 60'000);
    return outcome;
  };
  desk.insert_foreign("notif-1", "Webhook");
  desk.start();
  REQUIRE(desk.becomes("notif-1", "failed"));
  CHECK(desk.row("notif-1").retry_count == 0);
  REQUIRE(eventually([&] {
    const auto channel = store::notification_channels::find(*desk.database, "nc-env-webhook");
    return channel->breaker.open_until.has_value();
  }));
}

TEST_CASE("Two senders on one database deliver each message once") {
  Office office;
  office.add_channel("Webhook");
  constexpr int kMessages = 300;
  for (int i = 0; i < kMessages; ++i) office.insert_foreign("notif-" + std::to_string(i), "Webhook");
  const auto webhook = std::make_shared<FakeNotifier>();
  const Fakes fakes{{"nc-env-webhook", webhook}};
  {
    NotificationSender one(*office.database, office.clock, channels_of(fakes), quick());
    NotificationSender two(*office.database, office.clock, channels_of(fakes), quick());
    one.start(nullptr);
    two.start(nullptr);
    CHECK(eventually([&] { return office.number("SELECT count(*) FROM notification_events WHERE status = 'sent'") == kMessages; }));
  }
  int repeated = 0;
  for (const auto& [id, count] : webhook->counts()) repeated += count != 1;
  CHECK(repeated == 0);
  CHECK(webhook->counts().size() == kMessages);
}

TEST_CASE("A result whose lease was lost is not written") {
  Desk desk;
  desk.insert_foreign("notif-1", "Webhook");
  std::latch under_way(1), taken_over(1);
  desk.webhook->respond = [&](const plugin::Call&) {
    under_way.count_down();
    taken_over.wait();
    return answer(Status::permanent, "too late to say");
  };
  desk.start();
  under_way.wait();
  // Another sender holds it by now.
  desk.database->run("UPDATE notification_events SET lease_owner = 'another', fence = fence + 1, not_before = now() + interval '1 hour'");
  taken_over.count_down();
  desk.sender->stop();
  CHECK(desk.status("notif-1") == "pending");
  CHECK(desk.row("notif-1").last_error.empty());
  CHECK(*desk.row("notif-1").lease_owner == "another");
}

TEST_CASE("Messages of a sender that died are sent by another when the lease is over") {
  Desk desk;
  desk.insert_foreign("notif-1", "Webhook");
  desk.database->transaction([](db::Transaction& tx) { store::notifications::route(tx, 5); });
  REQUIRE(store::notifications::claim(*desk.database, "nc-env-webhook", 10, "dead", 1h).size() == 1);
  desk.database->run("UPDATE notification_events SET not_before = now() - interval '1 second'");
  desk.start();
  CHECK(desk.becomes("notif-1", "sent"));
}

TEST_CASE("A channel that hangs does not delay the others") {
  Office office;
  office.add_channels({"Slack", "Webhook"});
  const auto slack = std::make_shared<FakeNotifier>();
  const auto webhook = std::make_shared<FakeNotifier>();
  std::latch released(1);
  slack->respond = [&](const plugin::Call&) {
    released.wait();
    return answer(Status::transient, "timed out");
  };
  for (int i = 0; i < 100; ++i) office.insert_foreign("slack-" + std::to_string(i), "Slack");
  NotificationSender sender(*office.database, office.clock, channels_of({{"nc-env-slack", slack}, {"nc-env-webhook", webhook}}), quick());
  sender.start(nullptr);
  REQUIRE(eventually([&] { return slack->sent().size() == 2; }));
  office.insert_foreign("notif-1", "Webhook");
  CHECK(eventually([&] { return office.status("notif-1") == "sent"; }));
  released.count_down();
}

TEST_CASE("After five failures a channel rests, and its messages keep their attempts") {
  Desk desk;
  std::atomic<bool> broken = true;
  desk.webhook->respond = [&](const plugin::Call&) { return broken ? answer(Status::transient, "down") : answer(Status::ok); };
  auto options = quick();
  options.workers_per_channel = 1;
  for (int i = 0; i < 20; ++i) desk.insert_foreign("notif-" + std::to_string(i), "Webhook");
  desk.start(options);
  REQUIRE(eventually([&] {
    return !store::notification_channels::find(*desk.database, "nc-env-webhook")->breaker.closed();
  }));
  REQUIRE(eventually([&] { return desk.number("SELECT count(*) FROM notification_events WHERE lease_owner IS NOT NULL") == 0; }));
  CHECK(desk.number("SELECT count(*) FROM notification_events WHERE status = 'failed' AND retry_count = 1") == 5);
  CHECK(desk.number("SELECT count(*) FROM notification_events WHERE status = 'pending' AND retry_count = 0") == 15);

  broken = false;
  desk.database->run("UPDATE notification_channels SET breaker = jsonb_set(breaker, '{open_until}', to_jsonb(now() - interval '1 second'))");
  desk.make_due();
  CHECK(eventually([&] { return desk.number("SELECT count(*) FROM notification_events WHERE status = 'sent'") == 20; }));
  CHECK(eventually([&] { return store::notification_channels::find(*desk.database, "nc-env-webhook")->breaker.at_rest(); }));
}

TEST_CASE("Without a channel of its type a new message counts as sent, but not delivered") {
  Desk desk;
  desk.insert_foreign("notif-1", "PagerDuty");
  desk.start();
  REQUIRE(desk.becomes("notif-1", "sent"));
  const auto row = desk.row("notif-1");
  CHECK(row.delivered == false);
  CHECK_FALSE(row.sent_at.has_value());
  CHECK(row.last_error.empty());
}

TEST_CASE("Without a channel of its type a failed message loses an attempt and dies of the last") {
  Desk desk;
  desk.insert_foreign("notif-3", "PagerDuty", "failed", 3);
  desk.insert_foreign("notif-4", "PagerDuty", "failed", 4);
  desk.start();
  REQUIRE(desk.becomes("notif-4", "dead"));
  CHECK(desk.row("notif-4").retry_count == 5);
  CHECK(desk.row("notif-4").last_error == "no PagerDuty channel configured");
  CHECK_FALSE(desk.row("notif-4").next_retry_at.has_value());
  REQUIRE(eventually([&] { return desk.row("notif-3").retry_count == 4; }));
  CHECK(desk.status("notif-3") == "failed");
}

TEST_CASE("Messages of a channel that is no longer configured go to another of its type or count as undelivered") {
  Desk desk;
  desk.insert_foreign("notif-1", "Webhook");
  desk.database->run("UPDATE notification_events SET channel_id = 'nc-gone'");
  desk.insert_foreign("notif-2", "Slack");
  desk.database->run("UPDATE notification_events SET channel_id = 'nc-gone-too' WHERE id = 'notif-2'");
  desk.start();
  CHECK(desk.becomes("notif-1", "sent"));
  CHECK(desk.row("notif-1").delivered == true);
  REQUIRE(desk.becomes("notif-2", "sent"));
  CHECK(desk.row("notif-2").delivered == false);
}

TEST_CASE("A message marked as read before it was sent is delivered and then read") {
  Desk desk;
  desk.insert_foreign("notif-1", "Webhook");
  desk.notifications().mark_read(system_context(), "notif-1");
  desk.start();
  CHECK(desk.becomes("notif-1", "read"));
  CHECK(desk.webhook->sent().size() == 1);
  CHECK(desk.row("notif-1").delivered == true);
}

TEST_CASE("A message that grew too old is dead unsent, a requeued one counts from the requeuing") {
  Desk desk;
  desk.insert_foreign("notif-old", "Webhook");
  desk.insert_foreign("notif-revived", "Webhook", "dead");
  desk.database->run("UPDATE notification_events SET created_at = now() - interval '80 hours'");
  desk.notifications().requeue(system_context(), "notif-revived");
  desk.make_due();
  desk.start();
  CHECK(desk.becomes("notif-revived", "sent"));
  REQUIRE(desk.becomes("notif-old", "dead"));
  CHECK(desk.row("notif-old").last_error.starts_with("expired before delivery: "));
  CHECK(desk.webhook->counts().count("notif-old") == 0);
}

TEST_CASE("Stopping gives back what was claimed and not sent") {
  Desk desk;
  for (int i = 0; i < 10; ++i) desk.insert_foreign("notif-" + std::to_string(i), "Webhook");
  auto options = quick();
  options.workers = options.workers_per_channel = 1;
  std::latch under_way(1);
  desk.webhook->respond = [&](const plugin::Call& call) {
    if (desk.webhook->sent().size() == 1) under_way.count_down();
    while (!call.cancellation->cancelled()) std::this_thread::sleep_for(1ms);
    return answer(Status::cancelled);
  };
  desk.start(options);
  under_way.wait();
  desk.sender->stop(10ms);
  CHECK(desk.number("SELECT count(*) FROM notification_events WHERE status = 'pending' AND claimable AND lease_owner IS NULL") == 10);
  CHECK(desk.number("SELECT coalesce(sum(retry_count), 0) FROM notification_events") == 0);
}
