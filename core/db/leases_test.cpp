#include "core/db/leases.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <thread>

#include "core/db/connection.hpp"
#include "test/support/postgres.hpp"

using namespace certctl;
using namespace certctl::db;
using certctl::test::TestPostgres;
using namespace std::chrono_literals;

namespace {

std::unique_ptr<Database> open(const std::string& url, std::string instance) {
  DatabaseOptions options = TestPostgres::options(url);
  options.instance_id = std::move(instance);
  return std::make_unique<Database>(std::move(options));
}

/// A keeper that never keeps: leases run out.
constexpr LeaseOptions kNeverKept{.ttl = 300ms, .keep_every = 1h};

template <typename Condition>
bool eventually(Condition condition) {
  const auto until = std::chrono::steady_clock::now() + 10s;
  while (std::chrono::steady_clock::now() < until) {
    if (condition()) return true;
    std::this_thread::sleep_for(5ms);
  }
  return false;
}

std::optional<Lease> take_when_free(Leases& leases, std::string_view name) {
  std::optional<Lease> lease;
  eventually([&] { return (lease = leases.take(name)).has_value(); });
  return lease;
}

}  // namespace

TEST_CASE("a lease has one holder") {
  const std::string url = TestPostgres::shared().fresh_database();
  const auto a = open(url, "a");
  const auto b = open(url, "b");
  Leases of_a(*a);
  Leases of_b(*b);
  const std::optional<Lease> lease = of_a.take("loop/renewal");
  REQUIRE(lease);
  CHECK(lease->held());
  CHECK(lease->fence() == 1);
  CHECK_FALSE(of_b.take("loop/renewal"));
  CHECK_FALSE(of_a.take("loop/renewal"));
  CHECK(of_b.take("loop/other"));
}

TEST_CASE("a lease that was given up goes to the next, with a higher fence") {
  const std::string url = TestPostgres::shared().fresh_database();
  const auto a = open(url, "a");
  const auto b = open(url, "b");
  Leases of_a(*a);
  Leases of_b(*b);
  std::optional<Lease> lease = of_a.take("x");
  REQUIRE(lease);
  lease->give_up();
  CHECK_FALSE(lease->held());
  const std::optional<Lease> next = take_when_free(of_b, "x");
  REQUIRE(next);
  CHECK(next->fence() == 2);
}

TEST_CASE("a lease that runs out is taken over, and the old holder is refused") {
  const std::string url = TestPostgres::shared().fresh_database();
  const auto a = open(url, "a");
  const auto b = open(url, "b");
  Leases of_a(*a, kNeverKept);
  Leases of_b(*b);
  const std::optional<Lease> old_lease = of_a.take("x");
  REQUIRE(old_lease);
  const std::optional<Lease> lease = take_when_free(of_b, "x");
  REQUIRE(lease);

  CHECK_FALSE(old_lease->held());
  CHECK_THROWS_AS(a->transaction([&](Transaction& transaction) {
    old_lease->guard(transaction);
    transaction.run("INSERT INTO teams (id, name) VALUES ('t', 't')");
  }),
                  LeaseLost);
  CHECK(a->run("SELECT 1 FROM teams").empty());
  b->transaction([&](Transaction& transaction) { lease->guard(transaction); });
}

TEST_CASE("a guard holds off the takeover until the holder has committed") {
  const std::string url = TestPostgres::shared().fresh_database();
  const auto a = open(url, "a");
  const auto b = open(url, "b");
  Leases of_a(*a, kNeverKept);
  Leases of_b(*b);
  const std::optional<Lease> old_lease = of_a.take("x");
  REQUIRE(old_lease);
  std::atomic<bool> committed{false};
  std::atomic<bool> taken_before_commit{false};
  std::thread taker;
  a->transaction([&](Transaction& transaction) {
    old_lease->guard(transaction);
    // Past its end, as if this process had been stopped in between.
    eventually([&] { return !old_lease->held(); });
    taker = std::thread([&] {
      const std::optional<Lease> lease = take_when_free(of_b, "x");
      if (lease && !committed) taken_before_commit = true;
    });
    const Result waits = [&] {
      Result waiting;
      eventually([&] {
        waiting =
            b->run("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()");
        return !waiting.empty();
      });
      return waiting;
    }();
    transaction.run("SELECT 1");
    if (waits.empty()) taken_before_commit = true;
    committed = true;
  });
  taker.join();
  CHECK_FALSE(taken_before_commit);
}

TEST_CASE("the keeper extends leases beyond their first term") {
  const auto database = open(TestPostgres::shared().fresh_database(), "a");
  Leases leases(*database, {.ttl = 30s, .keep_every = 20ms});
  const std::optional<Lease> lease = leases.take("x");
  REQUIRE(lease);
  const Time first = database->run("SELECT expires_at FROM leases").front().time(0);
  CHECK(eventually([&] { return database->run("SELECT expires_at FROM leases").front().time(0) > first + 100ms; }));
  CHECK(lease->held());
}

TEST_CASE("the keeper notices that another has taken the lease") {
  const auto database = open(TestPostgres::shared().fresh_database(), "a");
  Leases leases(*database, {.ttl = 10s, .keep_every = 30ms});
  const std::optional<Lease> lease = leases.take("x");
  REQUIRE(lease);
  database->run("UPDATE leases SET owner = 'b', fence = fence + 1");
  CHECK(eventually([&] { return !lease->held(); }));
}

TEST_CASE("a lost database connection ends the leases at once") {
  const auto database = open(TestPostgres::shared().fresh_database(), "a");
  Leases leases(*database, {.ttl = 10s, .keep_every = 30ms});
  const std::optional<Lease> lease = leases.take("x");
  REQUIRE(lease);
  CHECK_THROWS_AS(database->transaction([&](Transaction& transaction) {
    transaction.run("SELECT pg_terminate_backend(pg_backend_pid())");
  }),
                  ConnectionLost);
  CHECK_FALSE(lease->held());
  // The keeper frees it without waiting for its end.
  CHECK(take_when_free(leases, "x"));
}
