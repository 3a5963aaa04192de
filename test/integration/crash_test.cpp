// kill -9 at every step of the path: it ends after the restart, with one certificate, not two, not none.
#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <signal.h>

#include <thread>

#include "core/base/error.hpp"
#include "test/integration/installation.hpp"

using namespace certctl;
using namespace certctl::test;
using namespace std::chrono_literals;

namespace {

struct Whole : Installation {
  Whole() {
    start_nginx();
    start_server();
    lay_ground();
  }

  void check_exactly_one(const std::string& id) {
    INFO(logs());
    REQUIRE(wait_served(id, 120s));
    CHECK(versions(id) == 1);
    CHECK(jobs(id, "Issuance").size() == 1);
    CHECK(served_fingerprint() == current_fingerprint(id));
  }
};

}  // namespace

TEST_CASE("a server that dies at any step of an issuance ends it after the restart with one certificate") {
  Whole all;
  all.start_agent();
  int round = 0;
  for (const std::string step : {"3", "4", "7", "8"}) {
    CAPTURE(step);
    all.server().send(SIGTERM);
    REQUIRE(all.server().wait(60s) == 0);
    all.start_server({{"CERTCTL_CRASH_AT", step}});
    const std::string id = fmt::format("mc-step-{}", round++);
    try {
      all.create_certificate(id);
    } catch (const Error&) {
      // The server may be gone before its answer is out; the row is there or the next line says so.
    }
    INFO(all.logs());
    REQUIRE(all.server().wait(60s) == 137);
    all.start_server();
    all.check_exactly_one(id);
  }
}

TEST_CASE("an agent that dies at any step ends its work after the restart with one certificate") {
  Whole all;
  int round = 0;
  for (const std::string step : {"key_stored", "csr_submitted", "certificate_fetched", "deployed", "report_written"}) {
    CAPTURE(step);
    const std::string id = fmt::format("mc-agent-{}", round++);
    all.start_agent({{"CERTCTL_CRASH_AT", step}});
    all.create_certificate(id);
    INFO(all.logs());
    REQUIRE(all.agent().wait(60s) == 137);
    all.start_agent();
    all.check_exactly_one(id);
    all.agent().send(SIGTERM);
    REQUIRE(all.agent().wait(60s) == 0);
  }
}

TEST_CASE("everything killed at once, the database too, comes back with nothing lost and nothing doubled") {
  Whole all;
  for (int round = 0; round < 3; ++round) {
    CAPTURE(round);
    const std::string id = fmt::format("mc-kill-{}", round);
    all.start_agent();
    all.create_certificate(id);
    // A different moment each round.
    std::this_thread::sleep_for(std::chrono::milliseconds(40 * round));
    all.kill_database();
    all.kill_agent();
    all.kill_server();
    all.start_server();
    all.start_agent();
    all.check_exactly_one(id);
    all.agent().send(SIGTERM);
    REQUIRE(all.agent().wait(60s) == 0);
  }
}

TEST_CASE("a database that dies under the running server is started again and the path goes on") {
  Whole all;
  all.start_agent();
  all.create_certificate("mc-before");
  all.check_exactly_one("mc-before");
  all.kill_database();
  // While it is away: 503 with Retry-After, or an answer because it is back already.
  const auto away = all.call("GET", "/api/v1/teams");
  if (away.status != 200) {
    CHECK(away.status == 503);
    CHECK(away.headers.has("Retry-After"));
  }
  REQUIRE(all.wait([&] { return all.call("GET", "/ready").status == 200; }));
  REQUIRE(all.wait([&] { return all.call("POST", "/api/v1/teams", R"({"id":"t-after","name":"After"})").status == 201 ||
                                all.call("GET", "/api/v1/teams/t-after").status == 200; }));
  all.create_certificate("mc-after");
  all.check_exactly_one("mc-after");
}
