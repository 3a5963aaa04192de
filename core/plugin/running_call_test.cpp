#include "core/plugin/running_call.hpp"

#include <poll.h>

#include <thread>

#include <catch2/catch.hpp>

#include "core/plugin/probe_test_support.hpp"

using namespace certctl;
using namespace certctl::plugin;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

Call with_cap() {
  Call call;
  call.in.add_int(CERTCTL_KEY_MAX_TTL_S, 3600);
  return call;
}

}  // namespace

TEST_CASE("a critical key that the manifest does not honour is refused before the plugin is entered") {
  ProbeHost probe;
  Call call;
  call.in.add_int(CERTCTL_KEY_MUST_STAPLE, 1);
  const Outcome outcome = probe.issue("throw", nullptr, std::move(call));
  CHECK(outcome.status == Status::invalid_request);
  CHECK(outcome.text == "Probe does not honour must_staple in issue");
}

TEST_CASE("a critical key younger than the plugin is refused") {
  ProbeHost probe;
  Call call;
  call.in.add_int(CERTCTL_CRITICAL | CERTCTL_INT | 0x1ff, 1);
  CHECK(probe.issue("good", nullptr, std::move(call)).status == Status::invalid_request);
}

TEST_CASE("an option that no request may carry is refused") {
  ProbeHost probe;
  Call call;
  call.options = json::raw(R"({"port": 1})");
  CHECK(probe.issue("good", nullptr, std::move(call)).text == "Probe takes no option \"port\" with a request");
}

TEST_CASE("a result for which a critical key was not read is rejected") {
  ProbeHost probe;
  const Outcome outcome = probe.issue("ignore", nullptr, with_cap());
  CHECK(outcome.status == Status::ok);
  CHECK_FALSE(outcome.done());
  CHECK(outcome.unread == std::vector<std::string>{"max_ttl_s"});
  CHECK(probe.issue("good", nullptr, with_cap()).done());
}

TEST_CASE("every value of a critical list must be read") {
  ProbeHost probe;
  Call call;
  call.in.add(CERTCTL_KEY_CRL_URL, "http://a.example/").add(CERTCTL_KEY_CRL_URL, "http://b.example/");
  CHECK(probe.issue("good", nullptr, call).done());
  CHECK(probe.issue("ignore", nullptr, call).unread_critical);
}

TEST_CASE("a request option that was not read rejects the result") {
  ProbeHost probe;
  Call call;
  call.options = json::raw(R"({"profile": "short"})");
  CHECK(probe.issue("ignore", nullptr, std::move(call)).unread == std::vector<std::string>{"option profile"});
}

TEST_CASE("the first checkpoint fails while a critical key is unread") {
  ProbeHost probe;
  const Outcome outcome = probe.issue("early_checkpoint", nullptr, with_cap());
  CHECK(outcome.status == Status::internal);
  CHECK_THAT(outcome.text, Contains("checkpoint before it had read max_ttl_s"));
  CHECK(probe.checkpoints.empty());
}

TEST_CASE("exceptions end a call as internal") {
  ProbeHost probe;
  CHECK(probe.issue("throw").status == Status::internal);
  CHECK(probe.issue("throw").text == "a surprise");
  CHECK(probe.issue("throw_number").status == Status::internal);
  auto thrower = probe.host.get("notifier", "Thrower").create({"n-1", {}, nullptr, {}});
  CHECK_THAT(thrower->call("send", {}).text, Contains("an exception left the operation"));
}

TEST_CASE("a plugin that breaks a limit faults its call, not the host") {
  ProbeHost probe;
  const auto text = [&](const char* behaviour) {
    const Outcome outcome = probe.issue(behaviour);
    CHECK(outcome.status == Status::internal);
    CHECK(outcome.out.empty());
    return outcome.text;
  };
  CHECK_THAT(text("bad_utf8"), Contains("progress is not UTF-8 text"));
  CHECK_THAT(text("many_puts"), Contains("more than 1024 values"));
  CHECK_THAT(text("big_put"), Contains("the limit is 1 MiB"));
  CHECK_THAT(text("much_put"), Contains("more than 16 MiB"));
  CHECK_THAT(text("null_put"), Contains("NULL with a size"));
  CHECK_THAT(text("wrong_type"), Contains("order_id is no number"));
  CHECK_THAT(text("run_itself"), Contains("no sub-call"));
  CHECK_THAT(text("unknown_status"), Contains("unknown status 999"));
}

TEST_CASE("pending needs a checkpoint") {
  ProbeHost probe;
  CHECK(probe.issue("bare_pending").status == Status::internal);
  const Outcome pending = probe.issue("pending");
  CHECK(pending.status == Status::pending);
  CHECK(pending.poll_in() == 5s);
  CHECK(pending.expires_in() == 60s);
  REQUIRE(pending.checkpoint);
  CHECK(as_text(*pending.checkpoint) == "order-7");
  CHECK(probe.checkpoints == std::vector<std::string>{"order-7"});
}

TEST_CASE("poll goes on from the checkpoint it is given") {
  ProbeHost probe;
  Call call;
  call.in.add(CERTCTL_KEY_CHECKPOINT, "order-7");
  const Outcome outcome = probe.make(R"({"behaviour": "good"})")->call("poll", std::move(call));
  CHECK(outcome.status == Status::pending);
  CHECK(outcome.out.text(CERTCTL_KEY_ORDER_ID) == "order-7");
}

TEST_CASE("transient is believed after a checkpoint only if nothing was sent since") {
  ProbeHost probe;
  CHECK(probe.issue("transient").status == Status::transient);
  CHECK(probe.issue("transient_after_effect", std::make_shared<FakeServices>()).status == Status::unknown_outcome);
}

TEST_CASE("a checkpoint that cannot be made durable stops the plugin") {
  ProbeHost probe;
  Call lost;
  lost.checkpoint = [](std::span<const std::uint8_t>) { return false; };
  CHECK(probe.issue("pending", nullptr, std::move(lost)).status == Status::conflict);
  Call broken;
  broken.checkpoint = [](std::span<const std::uint8_t>) -> bool { throw unavailable("the database is away"); };
  CHECK(probe.issue("pending", nullptr, std::move(broken)).status == Status::transient);
}

TEST_CASE("a call is told when its time is up") {
  ProbeHost probe;
  Call call;
  call.timeout = 50ms;
  const Outcome outcome = probe.issue("hang", nullptr, std::move(call));
  CHECK(outcome.status == Status::cancelled);
}

TEST_CASE("a call can be cancelled from another thread") {
  ProbeHost probe;
  Call call;
  call.cancellation = std::make_shared<Cancellation>();
  std::thread canceller([cancellation = call.cancellation] { cancellation->cancel(); });
  CHECK(probe.issue("hang", nullptr, std::move(call)).status == Status::cancelled);
  canceller.join();
}

TEST_CASE("an instance whose call outstays its deadline takes no further calls") {
  ProbeHost probe;
  auto instance = probe.make(R"({"behaviour": "deaf"})");
  Call call;
  call.timeout = 20ms;
  CHECK(instance->call("issue", std::move(call)).status == Status::ok);
  CHECK(instance->poisoned());
  CHECK_THAT(instance->call("issue", {}).text, Contains("hangs in an earlier call"));
}
