#include "core/plugin/host.hpp"

#include <algorithm>
#include <thread>

#include <catch2/catch.hpp>

#include "core/base/error.hpp"
#include "core/plugin/probe_test_support.hpp"

using namespace certctl;
using namespace certctl::plugin;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

TEST_CASE("a plugin is found by type and alias in any letter case") {
  ProbeHost probe;
  REQUIRE(probe.host.find("issuer", "Probe"));
  CHECK(probe.host.find("issuer", "PROBE_CA") == probe.host.find("issuer", "Probe"));
  CHECK(probe.host.find("issuer", "test-ca")->type() == "Probe");
  CHECK_FALSE(probe.host.find("target", "Probe"));
  CHECK_THROWS_WITH(probe.host.get("issuer", "DigiCert2"), "unsupported issuer type: DigiCert2");
  CHECK(probe.host.get("issuer", "probe").manifest().has_capability("own-ca"));
}

TEST_CASE("a file that this host cannot run is refused with file, cause and remedy") {
  ProbeHost probe;
  const auto reason = [&](std::string_view name) {
    for (const Refusal& refusal : probe.host.refusals()) {
      if (refusal.file.find(name) != std::string::npos) return refusal.reason;
    }
    return std::string("not refused");
  };
  CHECK_THAT(reason("wrong_magic.so"), Contains("wrong magic 0x12345678") && Contains("rebuild"));
  CHECK_THAT(reason("other_major.so"), Contains("ABI 2.0, this host speaks 1.0"));
  CHECK_THAT(reason("newer_host.so"), Contains("needs a host of plugin ABI 1.9") && Contains("upgrade certctl"));
  CHECK_THAT(reason("unknown_flags.so"), Contains("flags 0x4"));
  CHECK_THAT(reason("failing_init.so"), Contains("init failed"));
  CHECK_THAT(reason("other_type.so"), Contains("\"Another\", its manifest \"Refused\""));
}

TEST_CASE("a file that is no plugin is refused without being loaded") {
  ProbeHost probe({write_target_file("text.so", "not a library"), write_target_file("cut.so",
                                                                                    "\x7f"
                                                                                    "ELF\x02\x01\x01")});
  std::vector<std::string> reasons;
  for (const Refusal& refusal : probe.host.refusals()) reasons.push_back(refusal.reason);
  REQUIRE(reasons.size() == 2);
  CHECK_THAT(reasons[0], Contains("damaged or cut short"));
  CHECK_THAT(reasons[1], Contains("damaged or cut short"));
}

TEST_CASE("settings arrive with defaults, as text, with the request's options laid over") {
  ProbeHost probe;
  auto instance = probe.make(R"({"behaviour": "settings", "mode": 416, "token": "t0p", "headers": {"X-A": "1"}})");
  Call call;
  call.options = json::raw(R"({"profile": "short"})");
  const Outcome outcome = instance->call("issue", std::move(call));
  REQUIRE(outcome.done());
  const auto meta = outcome.out.map(CERTCTL_KEY_META);
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"name", "one"},  {"name", "two"},   {"X-A", "1"},          {"/port", "443"},    {"/enabled", "true"},
      {"/mode", "416"}, {"/token", "t0p"}, {"/profile", "short"}, {"/names/1", "two"}, {"/absent", ""}};
  CHECK(meta == expected);
}

TEST_CASE("secret settings are resolved when they are read") {
  ProbeHost probe;
  InstanceOptions options{"iss-1", json::raw(R"({"behaviour": "settings", "token": "env:TOKEN"})"), nullptr, {}};
  std::vector<std::string> asked;
  options.resolve_secret = [&](std::string_view pointer, std::string_view value) {
    asked.push_back(std::string(pointer) + "=" + std::string(value));
    return Secret::copy_of("resolved");
  };
  auto instance = probe.host.get("issuer", "Probe").create(std::move(options));
  CHECK(asked.empty());
  const auto meta = instance->call("issue", {}).out.map(CERTCTL_KEY_META);
  CHECK(std::find(meta.begin(), meta.end(), std::pair<std::string, std::string>("/token", "resolved")) != meta.end());
  CHECK(asked == std::vector<std::string>{"/token=env:TOKEN"});
}

TEST_CASE("an instance is refused when settings are missing, wrong, or not to the plugin's liking") {
  ProbeHost probe;
  CHECK_THROWS_WITH(probe.make("{}"), Contains("/behaviour: behaviour is required"));
  CHECK_THROWS_WITH(probe.make(R"({"behaviour": "good", "port": 99999})"), Contains("/port: must be at most 65535"));
  CHECK_THROWS_WITH(probe.make(R"({"behaviour": "refuse"})"), "this probe does not want to live");
}

TEST_CASE("validate gives the plugin's own findings without an instance") {
  ProbeHost probe;
  const auto findings = probe.host.get("issuer", "Probe").validate(json::raw(R"({"behaviour": "x", "port": "13"})"));
  REQUIRE(findings.size() == 2);
  CHECK(findings[0].severity == Severity::warning);
  CHECK(findings[0].path == "/port");
  CHECK(findings[1].text == "behaviour x");
}

TEST_CASE("results and errors come back with their kind") {
  ProbeHost probe;
  const Outcome good = probe.issue("good");
  CHECK(good.done());
  CHECK(good.out.text(CERTCTL_KEY_ORDER_ID) == "order-1");
  const Outcome auth = probe.issue("auth");
  CHECK(auth.status == Status::auth);
  CHECK(auth.text == "the CA refused the token");
  CHECK(auth.text_id == "TOKEN");
  CHECK(auth.out.text(CERTCTL_KEY_VENDOR_CODE) == "E7");
  CHECK(auth.retry_in() == 90s);
}

TEST_CASE("what a plugin does not override is not supported") {
  ProbeHost probe;
  auto instance = probe.make(R"({"behaviour": "good"})");
  CHECK(instance->supports("issue"));
  CHECK_FALSE(instance->supports("revoke"));
  CHECK(instance->call("revoke", {}).status == Status::not_supported);
  CHECK(instance->call("no such thing", {}).status == Status::not_supported);
}

TEST_CASE("a service must be asked for in the manifest and offered by the program") {
  ProbeHost probe;
  CHECK(probe.issue("random", std::make_shared<FakeServices>()).out.text(CERTCTL_KEY_CERTIFICATES) == "12345678");
  CHECK_THAT(probe.issue("random").text, Contains("does not offer the service \"random\""));
  CHECK_THAT(probe.issue("http", std::make_shared<FakeServices>()).text, Contains("\"http\""));
}

TEST_CASE("a connector that says SERIAL gets one call at a time") {
  ProbeHost probe;
  auto instance = probe.host.get("issuer", "Serial").create({"iss-2", {}, nullptr, {}});
  std::vector<std::string> answers(3);
  std::vector<std::thread> threads;
  for (std::string& answer : answers) {
    threads.emplace_back([&] { answer = instance->call("issue", {}).out.text(CERTCTL_KEY_PROGRESS); });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(answers == std::vector<std::string>(3, "alone"));
}
