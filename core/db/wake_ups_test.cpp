#include "core/db/wake_ups.hpp"

#include <catch2/catch.hpp>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "core/db/connection.hpp"
#include "test/support/postgres.hpp"

using namespace certctl;
using namespace certctl::db;
using certctl::test::TestPostgres;
using namespace std::chrono_literals;

namespace {

/// Remembers the calls of a subscription.
class Heard {
 public:
  WakeUps::Callback callback() {
    return [this](const std::vector<std::string>& keys) {
      std::scoped_lock lock(mutex_);
      calls_.push_back(keys);
      changed_.notify_all();
    };
  }
  template <typename Condition>
  bool wait(Condition condition, std::chrono::milliseconds time = 10s) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time, [&] { return condition(calls_); });
  }
  bool wait_for_key(const std::string& key) {
    return wait([&](const auto& calls) {
      for (const auto& keys : calls)
        if (std::find(keys.begin(), keys.end(), key) != keys.end()) return true;
      return false;
    });
  }
  /// Subscribed and listening: the call without keys has come.
  bool wait_until_ready() {
    return wait([](const auto& calls) { return !calls.empty(); });
  }
  std::vector<std::vector<std::string>> calls() {
    std::scoped_lock lock(mutex_);
    return calls_;
  }
  void forget() {
    std::scoped_lock lock(mutex_);
    calls_.clear();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::vector<std::string>> calls_;
};

std::unique_ptr<Database> open(const std::string& url, std::string instance, std::vector<std::string> off = {}) {
  DatabaseOptions options = TestPostgres::options(url);
  options.instance_id = std::move(instance);
  options.capabilities_off = std::move(off);
  auto database = std::make_unique<Database>(std::move(options));
  database->probe();
  return database;
}

/// Polling that never comes, so that only messages count.
constexpr WakeUpOptions kNoPolling{.poll = 1h};

void wake_in_transaction(Database& database, std::string_view topic, std::string_view key) {
  database.transaction([&](Transaction& transaction) {
    transaction.run("SELECT 1");
    wake(transaction, topic, key);
  });
}

}  // namespace

TEST_CASE("a commit wakes the subscribers of all instances") {
  const std::string url = TestPostgres::shared().fresh_database();
  const auto here = open(url, "here");
  const auto there = open(url, "there");
  WakeUps here_wakes(*here, kNoPolling);
  WakeUps there_wakes(*there, kNoPolling);
  Heard near;
  Heard far;
  const Subscription one = here_wakes.subscribe("jobs", near.callback());
  const Subscription two = there_wakes.subscribe("jobs", far.callback());
  REQUIRE(near.wait_until_ready());
  REQUIRE(far.wait_until_ready());

  wake_in_transaction(*here, "jobs", "lane-1");

  CHECK(near.wait_for_key("lane-1"));
  CHECK(far.wait_for_key("lane-1"));
  CHECK(here->run("SELECT 1 FROM outbox").empty());
}

TEST_CASE("a rolled back transaction wakes nobody") {
  const auto database = open(TestPostgres::shared().fresh_database(), "here");
  CHECK_THROWS_AS(database->transaction([](Transaction& transaction) {
    transaction.run("SELECT 1");
    wake(transaction, "jobs", "x");
    throw conflict("no");
  }),
                  Error);
  CHECK(database->run("SELECT 1 FROM outbox").empty());
}

TEST_CASE("many commits at once become few messages, and no key is lost") {
  const auto database = open(TestPostgres::shared().fresh_database(), "here");
  WakeUpOptions options = kNoPolling;
  options.coalesce = 2s;  // so long that fifty commits fit into few of them, however slow the machine
  WakeUps wakes(*database, options);
  Heard heard;
  const Subscription subscription = wakes.subscribe("jobs", heard.callback());
  REQUIRE(heard.wait_until_ready());
  heard.forget();

  for (int i = 0; i < 50; ++i) wake_in_transaction(*database, "jobs", "key-" + std::to_string(i));

  for (int i = 0; i < 50; ++i) CHECK(heard.wait_for_key("key-" + std::to_string(i)));
  CHECK(heard.calls().size() <= 10);
}

TEST_CASE("too many keys for a message mean everything") {
  const auto database = open(TestPostgres::shared().fresh_database(), "here");
  WakeUps wakes(*database, kNoPolling);
  Heard heard;
  const Subscription subscription = wakes.subscribe("jobs", heard.callback());
  REQUIRE(heard.wait_until_ready());
  heard.forget();
  database->transaction([](Transaction& transaction) {
    for (int i = 0; i < 1000; ++i) wake(transaction, "jobs", "a-rather-long-key-" + std::to_string(i));
  });
  REQUIRE(heard.wait([](const auto& calls) { return !calls.empty(); }));
  CHECK(heard.calls().front().empty());
}

TEST_CASE("after the listening connection was killed, all is read again and messages come") {
  const auto database = open(TestPostgres::shared().fresh_database(), "here");
  WakeUpOptions options;
  options.poll = 400ms;
  WakeUps wakes(*database, options);
  Heard heard;
  const Subscription subscription = wakes.subscribe("config", heard.callback());
  REQUIRE(heard.wait_until_ready());

  const Result killed = database->run(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
      " WHERE application_name = 'certctl listen' AND datname = current_database()");
  REQUIRE(killed.size() == 1);
  heard.forget();
  REQUIRE(heard.wait([](const auto& calls) { return !calls.empty(); }));
  const auto until = std::chrono::steady_clock::now() + 10s;
  while (!wakes.listening() && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(10ms);
  REQUIRE(wakes.listening());

  wake_in_transaction(*database, "config", "issuers:i");
  CHECK(heard.wait_for_key("issuers:i"));
}

TEST_CASE("without notifications subscribers are polled and the outbox stays empty") {
  const auto database = open(TestPostgres::shared().fresh_database(), "here", {"notify"});
  WakeUpOptions options;
  options.poll = 50ms;
  WakeUps wakes(*database, options);
  Heard heard;
  const Subscription subscription = wakes.subscribe("jobs", heard.callback());
  wake_in_transaction(*database, "jobs", "x");
  CHECK(heard.wait([](const auto& calls) { return calls.size() >= 3; }));
  CHECK_FALSE(wakes.listening());
  CHECK(database->run("SELECT 1 FROM outbox").empty());
}

TEST_CASE("what a dead instance left in the outbox is sent by another") {
  const auto database = open(TestPostgres::shared().fresh_database(), "here");
  database->run(
      "INSERT INTO outbox (topic, key, instance_id, created_at) VALUES ('jobs', 'left', 'dead', now() - interval '1 "
      "min')");
  Heard heard;
  WakeUpOptions options;
  options.poll = 50ms;
  options.sweep = 50ms;
  WakeUps wakes(*database, options);
  const Subscription subscription = wakes.subscribe("jobs", heard.callback());
  CHECK(heard.wait([&](const auto&) { return true; }));
  const auto until = std::chrono::steady_clock::now() + 10s;
  while (!database->run("SELECT 1 FROM outbox").empty() && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(10ms);
  CHECK(database->run("SELECT 1 FROM outbox").empty());
}

TEST_CASE("a cancelled subscription is not called any more, and cancelling waits for a running call") {
  const auto database = open(TestPostgres::shared().fresh_database(), "here");
  WakeUpOptions options;
  options.poll = 20ms;
  WakeUps wakes(*database, options);
  std::atomic<bool> inside{false};
  std::atomic<bool> done{false};
  std::atomic<int> calls{0};
  Subscription subscription = wakes.subscribe("jobs", [&](const std::vector<std::string>&) {
    ++calls;
    inside = true;
    std::this_thread::sleep_for(50ms);
    done = true;
  });
  while (!inside) std::this_thread::yield();
  subscription.cancel();
  CHECK(done);
  const int before = calls;
  Heard other;
  const Subscription later = wakes.subscribe("jobs", other.callback());
  CHECK(other.wait([](const auto& heard) { return heard.size() >= 3; }));
  CHECK(calls == before);
}
