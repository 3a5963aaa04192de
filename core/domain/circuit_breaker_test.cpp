#include <catch2/catch.hpp>

#include "core/domain/circuit_breaker.hpp"

using namespace certctl;
using namespace std::chrono_literals;
using domain::CircuitBreaker;

namespace {

const Time kStart{std::chrono::sys_days{std::chrono::year(2026) / 3 / 1}};

CircuitBreaker opened(Time now) {
  CircuitBreaker breaker;
  for (int i = 0; i < 5; ++i) breaker.failed(now);
  return breaker;
}

}  // namespace

TEST_CASE("Four failures in a row leave a breaker closed, the fifth opens it for 30 seconds") {
  CircuitBreaker breaker;
  for (int i = 0; i < 4; ++i) breaker.failed(kStart);
  CHECK(breaker.closed());
  breaker.failed(kStart);
  CHECK(breaker.open_until == kStart + 30s);
}

TEST_CASE("A success between failures starts the row anew") {
  CircuitBreaker breaker;
  for (int i = 0; i < 4; ++i) breaker.failed(kStart);
  breaker.succeeded(kStart);
  breaker.failed(kStart);
  CHECK(breaker.closed());
}

TEST_CASE("A breaker opens when more than half of twenty tries in a minute fail") {
  CircuitBreaker breaker;
  for (int i = 0; i < 9; ++i) {
    breaker.failed(kStart + i * 1s);
    breaker.succeeded(kStart + i * 1s);
  }
  CHECK(breaker.closed());
  breaker.failed(kStart + 10s);
  breaker.failed(kStart + 10s);  // 11 of 20
  CHECK_FALSE(breaker.closed());
}

TEST_CASE("Failures of an earlier minute do not count towards a breaker's share") {
  CircuitBreaker breaker;
  for (int i = 0; i < 9; ++i) {
    breaker.failed(kStart);
    breaker.succeeded(kStart);
  }
  breaker.failed(kStart + 61s);
  breaker.failed(kStart + 61s);
  CHECK(breaker.closed());
}

TEST_CASE("An open breaker admits one try once its time is over") {
  CircuitBreaker breaker = opened(kStart);
  CHECK_FALSE(breaker.admits_probe(kStart + 29s));
  REQUIRE(breaker.admits_probe(kStart + 30s));
  breaker.begin_probe(kStart + 30s, 30s);
  CHECK_FALSE(breaker.admits_probe(kStart + 31s));
  CHECK(breaker.admits_probe(kStart + 60s));  // whoever tried is gone
}

TEST_CASE("Each try that fails doubles a breaker's time up to 15 minutes") {
  CircuitBreaker breaker = opened(kStart);
  Time now = kStart;
  for (const auto expected : {1min, 2min, 4min, 8min, 15min, 15min}) {
    now = *breaker.open_until;
    breaker.failed(now);
    CHECK(*breaker.open_until - now == expected);
  }
}

TEST_CASE("Failures that were under way when a breaker opened do not lengthen its time") {
  CircuitBreaker breaker = opened(kStart);
  breaker.failed(kStart + 5s);
  CHECK(breaker.open_until == kStart + 30s);
}

TEST_CASE("The first try that succeeds closes a breaker for good") {
  CircuitBreaker breaker = opened(kStart);
  breaker.succeeded(kStart + 30s);
  CHECK(breaker.at_rest());
  CHECK(breaker.openings == 0);
}

TEST_CASE("A pause that a peer asks for is no failure") {
  CircuitBreaker breaker;
  breaker.pause(kStart + 10s);
  CHECK_FALSE(breaker.admits_probe(kStart + 9s));
  CHECK(breaker.admits_probe(kStart + 10s));
  breaker.succeeded(kStart + 10s);
  CHECK(breaker.at_rest());
}

TEST_CASE("A breaker survives being kept as JSON") {
  CircuitBreaker breaker = opened(kStart);
  breaker.begin_probe(kStart, 1s);
  CircuitBreaker copy;
  domain::merge_json(json::parse(domain::to_json(breaker)), copy, {});
  CHECK(domain::to_json(copy) == domain::to_json(breaker));
  CHECK(copy.open_until == breaker.open_until);
}
