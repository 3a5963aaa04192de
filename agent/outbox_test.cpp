#include "agent/outbox.hpp"

#include <catch2/catch.hpp>

#include "agent/agent_test_support.hpp"
#include "agent/files.hpp"
#include "core/base/json.hpp"

namespace certctl::agent {
namespace {

namespace fs = std::filesystem;

Report completed(const std::string& job, const std::string& verification = "skipped") {
  DeploymentReport numbers;
  numbers.verification.status = verification;
  Report out = Report::completed(std::move(numbers));
  out.job_id = job;
  out.report_id = "report-of-" + job;
  return out;
}

struct Fixture {
  TemporaryFolder folder;
  ManualClock clock{Time(std::chrono::days(20000))};
  Outbox open() { return Outbox(folder / "outbox", clock); }
};

TEST_CASE_METHOD(Fixture, "A report waits on disk until it is delivered") {
  {
    Outbox outbox = open();
    outbox.put(completed("job-1"), "tgt-1");
  }
  Outbox outbox = open();
  REQUIRE(outbox.size() == 1);
  const Letter letter = outbox.waiting().front();
  CHECK(letter.job_id == "job-1");
  CHECK(letter.path == "/agents/{agent}/jobs/job-1/status");
  CHECK(json::text_or(json::parse(letter.body), "report_id") == "report-of-job-1");
  outbox.delivered(letter);
  CHECK(open().size() == 0);
}

TEST_CASE_METHOD(Fixture, "A verification result goes before the report of its job") {
  Outbox outbox = open();
  outbox.put(completed("job-1", "success"), "tgt-1");
  const auto letters = outbox.waiting();
  REQUIRE(letters.size() == 2);
  CHECK(letters[0].path == "/jobs/job-1/verify");
  CHECK(letters[1].status == "Completed");
  CHECK(json::flag_or(json::parse(letters[0].body), "verified", false));
}

TEST_CASE_METHOD(Fixture, "A job with nothing but its verification written is not finished") {
  Outbox outbox = open();
  outbox.put(completed("job-1", "success"), "tgt-1");
  outbox.discard(outbox.waiting().back());
  CHECK_FALSE(open().is_finished("job-1"));
}

TEST_CASE_METHOD(Fixture, "A completed job that is handed out again is answered again, also after a restart") {
  {
    Outbox outbox = open();
    outbox.put(completed("job-1"), "tgt-1");
    CHECK_FALSE(outbox.repeat("job-1"));  // it waits anyway
    outbox.delivered(outbox.waiting().front());
  }
  Outbox outbox = open();
  CHECK(outbox.is_finished("job-1"));
  CHECK(outbox.repeat("job-1"));
  CHECK(json::text_or(json::parse(outbox.waiting().front().body), "report_id") == "report-of-job-1");
}

TEST_CASE_METHOD(Fixture, "A failed job may be run again once its report was delivered") {
  Outbox outbox = open();
  Report report = Report::failed("no luck", std::nullopt);
  report.job_id = "job-1";
  outbox.put(report, "tgt-1");
  CHECK(outbox.is_finished("job-1"));
  outbox.delivered(outbox.waiting().front());
  CHECK_FALSE(outbox.is_finished("job-1"));
}

TEST_CASE_METHOD(Fixture, "A damaged letter is set aside and the others are kept") {
  {
    Outbox outbox = open();
    outbox.put(completed("job-1"), "tgt-1");
    outbox.put(completed("job-2"), "tgt-1");
  }
  for (const auto& entry : fs::directory_iterator(folder / "outbox")) {
    if (entry.path().filename().string().find("job-1") != std::string::npos) write_durably(entry.path(), "{half");
  }
  Outbox outbox = open();
  REQUIRE(outbox.size() == 1);
  CHECK(outbox.waiting().front().job_id == "job-2");
}

TEST_CASE_METHOD(Fixture, "New letters come after those of an earlier run") {
  {
    Outbox outbox = open();
    outbox.put(completed("job-1"), "");
  }
  Outbox outbox = open();
  outbox.put(completed("job-2"), "");
  CHECK(outbox.waiting().front().job_id == "job-1");
}

TEST_CASE_METHOD(Fixture, "A letter older than a week is dropped") {
  Outbox outbox = open();
  outbox.put(completed("job-1"), "");
  clock.advance(std::chrono::hours(8 * 24));
  outbox.put(completed("job-2"), "");
  outbox.prune();
  REQUIRE(outbox.size() == 1);
  CHECK(outbox.waiting().front().job_id == "job-2");
}

TEST_CASE_METHOD(Fixture, "A shrunk letter keeps its place") {
  Outbox outbox = open();
  outbox.put(completed("job-1"), "");
  outbox.put(completed("job-2"), "");
  outbox.shrink(outbox.waiting().front(), "{}");
  CHECK(outbox.size() == 2);
  CHECK(open().waiting().front().body == "{}");
}

TEST_CASE("An error of a report is cut and made printable") {
  const Report report = Report::failed(std::string("bell\a") + std::string(10'000, 'x'), std::nullopt);
  const auto body = json::parse(to_json(report));
  const std::string error = json::text_or(body, "error");
  CHECK(error.size() < 4'200);
  CHECK(error.starts_with("bell\\x07"));
}

TEST_CASE("No verification is claimed for a probe that was not made") {
  CHECK_FALSE(verification_json("tgt-1", {}).has_value());
  Verification failed;
  failed.status = "failed";
  failed.expected_fingerprint = "aa";
  failed.error = "TLS probe failed: connection refused";
  const auto body = json::parse(verification_json("tgt-1", failed).value());
  CHECK_FALSE(json::flag_or(body, "verified", true));
  CHECK(json::text_or(body, "error") == failed.error);
}

}  // namespace
}  // namespace certctl::agent
