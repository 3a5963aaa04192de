#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>

#include "agent/activity.hpp"
#include "agent/back_off.hpp"
#include "agent/control_plane.hpp"
#include "agent/deploy_settings.hpp"
#include "agent/work_item.hpp"
#include "core/base/error.hpp"

namespace certctl::agent {
namespace {

using namespace std::chrono_literals;

TEST_CASE("Waits double from one second to five minutes and begin again after a success") {
  BackOff back_off([] { return 0.999999; });
  for (const auto most : {1s, 2s, 4s, 8s, 16s, 32s, 64s, 128s, 256s, 300s, 300s}) {
    const Duration wait = back_off.next();
    CHECK(wait <= most);
    CHECK(wait > most - 1ms);
  }
  back_off.reset();
  CHECK(back_off.next() <= 1s);
}

TEST_CASE("The jitter of a wait spans everything down to almost nothing") {
  BackOff back_off([] { return 0.0; });
  for (int i = 0; i < 12; ++i) CHECK(back_off.next() == 50ms);
}

TEST_CASE("Intervals vary by ten percent") {
  CHECK(jittered(60s, [] { return 0.0; }) == 54s);
  CHECK(jittered(60s, [] { return 0.5; }) == 60s);
}

TEST_CASE("Retry-After is a number of seconds or a date") {
  const Time now = Time(std::chrono::sys_days(std::chrono::year(1994) / 11 / 6) + 8h + 49min);
  CHECK(parse_retry_after("120", now) == 120s);
  CHECK(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now) == 37s);
  CHECK(parse_retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now) == 0s);
  CHECK_FALSE(parse_retry_after("soon", now).has_value());
  CHECK_FALSE(parse_retry_after("", now).has_value());
}

TEST_CASE("Work items that cannot be used are refused one by one") {
  const auto answer = json::parse(R"({"count":5,"jobs":[
    {"type":"Deployment"}, {"id":"job-1","type":"Deployment","target_id":7}, "text",
    {"id":"../x","type":"Deployment"}, {"id":"job-2","type":"Deployment","certificate_id":"mc-1","target_config":null}]})");
  const Work work = parse_work(answer);
  REQUIRE(work.items.size() == 1);
  CHECK(work.items[0].id == "job-2");
  CHECK(work.items[0].target_config->text == "null");
  CHECK(work.refused.size() == 4);
}

TEST_CASE("At most a hundred items are taken from one answer, each once") {
  std::string text = R"({"jobs":[)";
  for (int i = 0; i < 300; ++i)
    text += (i == 0 ? "" : ",") + std::string(R"({"id":"job-)") + std::to_string(i / 2) + R"(","type":"Deployment"})";
  CHECK(parse_work(json::parse(text + "]}")).items.size() == kMostItems);
}

TEST_CASE("An answer without a list of jobs is none") {
  CHECK_THROWS_AS(parse_work(json::parse(R"({"jobs":"many"})")), Error);
  CHECK_THROWS_AS(parse_work(json::parse("{}")), Error);
  CHECK(parse_work(json::parse(R"({"jobs":null,"count":0})")).items.empty());
}

TEST_CASE("What a target leaves open is filled in by the agent, then by the server") {
  const plugin::Schema schema(json::parse(R"({"type":"object","properties":{"backup_retention":{"type":"integer"},
    "post_deploy_verify":{"type":"object","properties":{"enabled":{"type":"boolean"},"delay":{"type":"string"},"timeout":{"type":"string"}}}}})"));
  DeployDefaults environment;
  environment.verify_delay = 200ms;
  const json::Raw server =
      json::raw(R"({"verify_deployment":false,"verify_delay":"9s","verify_timeout":"4s","backup_retention":7})");
  const json::Raw filled = with_defaults(json::raw(R"({"backup_retention":1,"post_deploy_verify":{"endpoint":"h:1"}})"),
                                         schema, environment, server);
  CHECK(
      filled.text ==
      R"({"backup_retention":1,"post_deploy_verify":{"endpoint":"h:1","delay":"200ms","enabled":false,"timeout":"4s"}})");
}

TEST_CASE("Nothing is added to the settings of a connector that does not know it") {
  DeployDefaults environment;
  environment.verify = true;
  environment.backup_retention = 5;
  CHECK(with_defaults(json::raw("{}"), plugin::Schema(), environment, json::Raw{}).text == "{}");
}

TEST_CASE("A woken activity takes its next turn at once, and a failing one goes on") {
  std::mutex mutex;
  std::condition_variable changed;
  int turns = 0;
  Activity activity("test", [&]() -> Duration {
    const std::scoped_lock lock(mutex);
    ++turns;
    changed.notify_all();
    if (turns == 1) throw std::runtime_error("first turn fails");
    return 1h;
  });
  activity.start();
  const auto reached = [&](int wanted) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 10s, [&] { return turns >= wanted; });
  };
  CHECK(reached(1));
  activity.wake();
  CHECK(reached(2));
  activity.wake();
  CHECK(reached(3));
  activity.stop();
}

}  // namespace
}  // namespace certctl::agent
