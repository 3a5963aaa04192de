#include "agent/job_board.hpp"

#include <catch2/catch.hpp>
#include <map>

#include "agent/agent_test_support.hpp"
#include "core/base/json.hpp"

namespace certctl::agent {
namespace {

using namespace std::chrono_literals;

WorkItem item_of(const std::string& text) { return parse_work_item(json::parse(text)); }

WorkItem deployment(const std::string& id, const std::string& target, const std::string& certificate = "mc-1") {
  return item_of(R"({"id":")" + id + R"(","type":"Deployment","status":"Running","certificate_id":")" + certificate +
                 R"(","target_id":")" + target + R"("})");
}

WorkItem request(const std::string& id, const std::string& certificate = "mc-1") {
  return item_of(R"({"id":")" + id + R"(","type":"Renewal","status":"AwaitingCSR","certificate_id":")" + certificate +
                 R"("})");
}

struct Fixture {
  TemporaryFolder folder;
  SystemClock clock;
  Outbox outbox{folder / "outbox", clock};
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> begun;
  std::set<std::string> running;
  std::set<std::string> held;

  /// A job runs until it is no longer held.
  Step work(Job& job) {
    std::unique_lock lock(mutex);
    begun.push_back(job.item.id);
    running.insert(job.item.id);
    changed.notify_all();
    changed.wait(lock, [&] { return !held.contains(job.item.id); });
    running.erase(job.item.id);
    return {};
  }
  void release(const std::string& id) {
    const std::scoped_lock lock(mutex);
    held.erase(id);
    changed.notify_all();
  }
  bool wait_running(const std::string& id) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 10s, [&] { return running.contains(id); });
  }
  bool has_begun(const std::string& id) {
    const std::scoped_lock lock(mutex);
    return std::find(begun.begin(), begun.end(), id) != begun.end();
  }
};

TEST_CASE_METHOD(Fixture, "One target is worked on by one job at a time, different targets in parallel") {
  held = {"job-1", "job-3"};
  JobBoard board(folder / "jobs", outbox, clock);
  board.start(4, [this](Job& job) { return work(job); });
  board.offer(deployment("job-1", "tgt-a"));
  REQUIRE(wait_running("job-1"));
  board.offer(deployment("job-2", "tgt-a"));
  board.offer(deployment("job-3", "tgt-b"));
  REQUIRE(wait_running("job-3"));
  CHECK_FALSE(has_begun("job-2"));
  release("job-1");
  release("job-3");
  CHECK(board.wait_idle(10s));
  CHECK(has_begun("job-2"));
  CHECK(board.stop(10s, 1s));
}

TEST_CASE_METHOD(Fixture, "A request goes before a deployment of the same certificate") {
  held = {"job-csr"};
  JobBoard board(folder / "jobs", outbox, clock);
  board.offer(deployment("job-deploy", "tgt-a"));
  board.offer(request("job-csr"));
  board.offer(deployment("job-other", "tgt-b", "mc-2"));
  board.start(4, [this](Job& job) { return work(job); });
  REQUIRE(wait_running("job-csr"));
  while (!has_begun("job-other")) std::this_thread::yield();
  CHECK_FALSE(has_begun("job-deploy"));
  release("job-csr");
  CHECK(board.wait_idle(10s));
  CHECK(board.stop(10s, 1s));
}

TEST_CASE_METHOD(Fixture, "A job that is known is not accepted twice, one with a waiting report not at all") {
  JobBoard board(folder / "jobs", outbox, clock);
  CHECK(board.offer(deployment("job-1", "tgt-a")) == JobBoard::Offer::accepted);
  CHECK(board.offer(deployment("job-1", "tgt-a")) == JobBoard::Offer::known);
  Report report = Report::completed({});
  report.job_id = "job-2";
  outbox.put(report, "");
  CHECK(board.offer(deployment("job-2", "tgt-a")) == JobBoard::Offer::finished);
}

TEST_CASE_METHOD(Fixture, "Accepted jobs survive the process until their report is written") {
  {
    JobBoard board(folder / "jobs", outbox, clock);
    board.offer(deployment("job-1", "tgt-a"));
    board.offer(deployment("job-2", "tgt-b"));
  }
  Report report = Report::completed({});
  report.job_id = "job-1";
  outbox.put(report, "");
  JobBoard board(folder / "jobs", outbox, clock);
  board.start(1, [this](Job& job) {
    CHECK(job.resumed);
    return work(job);
  });
  CHECK(board.wait_idle(10s));
  CHECK(begun == std::vector<std::string>{"job-2"});
  CHECK(board.stop(10s, 1s));
  CHECK(std::filesystem::is_empty(folder / "jobs"));
}

TEST_CASE_METHOD(Fixture, "A job that asks for it is run again later") {
  JobBoard board(folder / "jobs", outbox, clock);
  std::atomic<int> steps{0};
  board.start(2, [&](Job& job) {
    CHECK(job.tries == steps.load());
    return ++steps < 3 ? Step::again(1ms) : Step{};
  });
  board.offer(deployment("job-1", "tgt-a"));
  CHECK(board.wait_idle(10s));
  CHECK(steps == 3);
  CHECK(board.stop(10s, 1s));
}

TEST_CASE_METHOD(Fixture, "Stopping cancels what does not end in time and keeps what was not begun") {
  JobBoard board(folder / "jobs", outbox, clock);
  board.start(1, [this](Job& job) {
    {
      const std::scoped_lock lock(mutex);
      running.insert(job.item.id);
    }
    changed.notify_all();
    while (!job.cancellation->cancelled()) std::this_thread::sleep_for(1ms);
    return Step::again(1h);
  });
  board.offer(deployment("job-1", "tgt-a"));
  REQUIRE(wait_running("job-1"));
  board.offer(deployment("job-2", "tgt-b"));
  CHECK(board.stop(20ms, 10s));
  CHECK(board.ids() == std::vector<std::string>{"job-1", "job-2"});
  CHECK(std::filesystem::exists(folder / "jobs" / "job-2.json"));
}

}  // namespace
}  // namespace certctl::agent
