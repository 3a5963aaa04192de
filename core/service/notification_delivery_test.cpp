#include <catch2/catch.hpp>

#include "core/domain/described.hpp"
#include "core/service/notification_delivery.hpp"

using namespace certctl;
using namespace certctl::service;
using namespace std::chrono_literals;
using plugin::Status;
using store::notifications::Claimed;
using store::notifications::Verdict;

namespace {

const Time kNow{std::chrono::sys_days{std::chrono::year(2026) / 3 / 1}};

Claimed claimed(int failures) {
  Claimed c;
  c.row.id = "notif-1";
  c.row.retry_count = failures;
  c.row.fence = {7};
  return c;
}

Judgement judged(Status status, int failures, double jitter = 0) {
  plugin::Outcome outcome;
  outcome.status = status;
  outcome.text = status == Status::ok ? "" : "because";
  return judge(outcome, claimed(failures), 5, kNow, jitter);
}

}  // namespace

TEST_CASE("Failures wait 1, 2, 4 and 8 minutes, and the fifth is the last") {
  const std::vector<Duration> waits = {1min, 2min, 4min, 8min};
  for (int i = 0; i < 4; ++i) {
    const auto result = judged(Status::transient, i).result;
    CHECK(result.verdict == Verdict::failed);
    CHECK(result.retry_count == i + 1);
    CHECK(result.wait == waits[std::size_t(i)]);
    CHECK(result.error == "because");
  }
  CHECK(judged(Status::transient, 4).result.verdict == Verdict::dead);
  CHECK(judged(Status::transient, 4).result.retry_count == 5);
}

TEST_CASE("No wait is longer than an hour, jitter aside") {
  plugin::Outcome outcome;
  outcome.status = Status::transient;
  CHECK(judge(outcome, claimed(30), 50, kNow, 0).result.wait == 1h);
  CHECK(judge(outcome, claimed(30), 50, kNow, 0.1).result.wait == 66min);
}

TEST_CASE("A wrong configuration and a refusal for good end a message at once") {
  for (const auto status : {Status::invalid_config, Status::permanent, Status::invalid_request, Status::not_supported}) {
    const auto judgement = judged(status, 0);
    CHECK(judgement.result.verdict == Verdict::dead);
    CHECK(judgement.sign == ChannelSign::none);
  }
}

TEST_CASE("Refused credentials get a second try and no third") {
  CHECK(judged(Status::auth, 0).result.verdict == Verdict::failed);
  CHECK(judged(Status::auth, 1).result.verdict == Verdict::dead);
}

TEST_CASE("A rate limit waits as long as asked and costs no attempt") {
  plugin::Outcome outcome;
  outcome.status = Status::rate_limited;
  outcome.out.add_int(CERTCTL_KEY_RETRY_IN_MS, 90'000);
  const auto judgement = judge(outcome, claimed(3), 5, kNow, 0);
  CHECK(judgement.result.verdict == Verdict::failed);
  CHECK(judgement.result.retry_count == 3);
  CHECK(judgement.result.wait == 90s);
  CHECK(judgement.pause == 90s);
}

TEST_CASE("A receiver that asks for more time than the schedule gives gets it") {
  plugin::Outcome outcome;
  outcome.status = Status::transient;
  outcome.out.add_int(CERTCTL_KEY_RETRY_IN_MS, 600'000);
  CHECK(judge(outcome, claimed(0), 5, kNow, 0).result.wait == 10min);
}

TEST_CASE("Each try leaves an entry in the attempt log") {
  const auto entry = json::parse(judged(Status::transient, 1).result.attempt.text);
  CHECK(json::integer_or(entry, "attempt", 0) == 2);
  CHECK(json::text_or(entry, "outcome") == "failed");
  CHECK(json::text_or(entry, "kind") == "transient");
  CHECK(json::text_or(entry, "error") == "because");
}

TEST_CASE("What is sent leaves out the threshold tag and carries the payload") {
  domain::Notification row = claimed(1).row;
  row.type = "ExpirationWarning";
  row.message = "www.example.com expires on 2026-04-01.\n31 days left.\n[threshold:30]";
  row.payload = {json::raw(R"({"incident_key": "expiry/mc-www", "action": "trigger", "link": "https://c/1"})")};
  const auto fields = send_fields(row);
  CHECK(fields.text(CERTCTL_KEY_BODY) == "www.example.com expires on 2026-04-01.\n31 days left.");
  CHECK(fields.text(CERTCTL_KEY_SUBJECT) == "www.example.com expires on 2026-04-01.");
  CHECK(fields.text(CERTCTL_KEY_INCIDENT_KEY) == "expiry/mc-www");
  CHECK(fields.text(CERTCTL_KEY_ACTION) == "trigger");
  CHECK(fields.integer(CERTCTL_KEY_ATTEMPT) == 2);
  CHECK(fields.map(CERTCTL_KEY_LINK).size() == 1);
  CHECK(fields.map(CERTCTL_KEY_FIELD).size() == 3);
}
