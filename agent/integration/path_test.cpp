#include "agent/integration/fixture.hpp"
#include "core/base/json.hpp"
#include "core/base/text.hpp"

namespace certctl::agent::test {
namespace {

using Fault = StandIn::Fault;
using Catch::Matchers::Contains;

TEST_CASE("A certificate goes the whole way under upstream's wire") {
  Scene scene;
  scene.control_plane.order(scene.order("mc-1"));
  Process agent = scene.start();
  REQUIRE(scene.wait_deployed("mc-1"));
  scene.check_installed("mc-1");
  CHECK(scene.control_plane.versions("mc-1").size() == 1);
  CHECK(scene.reloads() == 1);

  const auto leaf = crypto::Certificate::from_pem(scene.control_plane.versions("mc-1").back().pem);
  CHECK(crypto::san_texts(leaf.sans()) == std::vector<std::string>{"web.example", "www.web.example", "192.0.2.7"});
  const auto report = json::parse(scene.control_plane.received(scene.control_plane.deployment_of("mc-1")).back().body);
  CHECK(json::text_of(*json::at(report, "/deployment/fingerprint_sha256")) == leaf.fingerprint_sha256());
  CHECK(json::text_of(*json::at(report, "/deployment/verification/status")) == "skipped");

  agent.send(SIGTERM);
  CHECK(agent.wait() == 0);
  INFO(scene.log());
  CHECK_THAT(scene.log(), Contains("\"id\":\"AGENT_STOPPED\""));
}

TEST_CASE("The private key never travels, and is kept private on disk") {
  Scene scene;
  scene.control_plane.order(scene.order("mc-1"));
  Process agent = scene.start();
  REQUIRE(scene.wait_deployed("mc-1"));
  const fs::path stored = scene.state() / "keys" / "mc-1.key";
  struct stat status {};
  REQUIRE(::stat(stored.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0600);
  const auto key = crypto::PrivateKey::from_pem(read_file(stored).value());
  for (const auto form : {crypto::KeyForm::pkcs8, crypto::KeyForm::traditional}) {
    key.to_pem(form).use([&](std::string_view pem) {
      const auto lines = split(pem, '\n');
      CHECK_FALSE(scene.control_plane.leaked(lines[1]));
    });
  }
  CHECK_FALSE(scene.control_plane.leaked("PRIVATE KEY"));
  CHECK(scene.log().find("PRIVATE KEY") == std::string::npos);
}

TEST_CASE("A renewal replaces certificate and key together") {
  Scene scene;
  scene.control_plane.order(scene.order("mc-1"));
  Process agent = scene.start();
  REQUIRE(scene.wait_deployed("mc-1"));
  const std::string first = scene.control_plane.deployment_of("mc-1");
  scene.control_plane.order(scene.order("mc-1"));
  REQUIRE(scene.control_plane.wait([&] { return scene.control_plane.deployment_of("mc-1") != first; }));
  REQUIRE(scene.wait_deployed("mc-1"));
  const auto versions = scene.control_plane.versions("mc-1");
  REQUIRE(versions.size() == 2);
  CHECK(versions[0].spki_sha256 != versions[1].spki_sha256);
  scene.check_installed("mc-1");
}

TEST_CASE("An agent that is asked for every mistake of a control plane still delivers once") {
  Scene scene;
  scene.control_plane.misbehave("heartbeat",
                                {Fault::error_500, Fault::busy_503, Fault::too_many_429, Fault::html, Fault::slow});
  scene.control_plane.misbehave("work", {Fault::html, Fault::too_many_429, Fault::slow});
  scene.control_plane.misbehave("csr", {Fault::error_500, Fault::busy_503});
  scene.control_plane.misbehave("certificates", {Fault::error_500, Fault::html, Fault::slow});
  scene.control_plane.misbehave("status", {Fault::too_many_429, Fault::html, Fault::error_500, Fault::slow});
  scene.control_plane.order(scene.order("mc-1"));
  Process agent = scene.start();
  const bool deployed = scene.wait_deployed("mc-1", 120s);
  INFO(scene.log());
  REQUIRE(deployed);
  CHECK(scene.control_plane.versions("mc-1").size() == 1);
  CHECK(scene.reloads() == 1);
  scene.check_installed("mc-1");
}

TEST_CASE("Answers that are lost after the work was done double nothing") {
  Scene scene({.claim_again = 1s});
  scene.control_plane.misbehave("csr", {Fault::cut_after});
  scene.control_plane.misbehave("work", {Fault::cut_after, Fault::cut_after});
  scene.control_plane.misbehave("certificates", {Fault::cut_after});
  scene.control_plane.misbehave("status", {Fault::cut_after, Fault::cut_after});
  scene.control_plane.order(scene.order("mc-1"));
  Process agent = scene.start();
  const bool deployed = scene.wait_deployed("mc-1", 120s);
  INFO(scene.log());
  REQUIRE(deployed);
  CHECK(scene.control_plane.versions("mc-1").size() == 1);
  CHECK(scene.reloads() == 1);
  CHECK(scene.control_plane.report_ids(scene.control_plane.deployment_of("mc-1")).size() == 1);
}

TEST_CASE("Items that are handed out again and again are run once") {
  Scene scene({.repeats_items = true});
  scene.control_plane.order(scene.order("mc-1"));
  Process agent = scene.start();
  REQUIRE(scene.wait_deployed("mc-1"));
  const std::string job = scene.control_plane.deployment_of("mc-1");
  // The report of a repeated job is sent again.
  REQUIRE(scene.control_plane.wait([&] { return scene.control_plane.received(job).size() >= 4; }));
  CHECK(scene.control_plane.report_ids(job).size() == 1);
  CHECK(scene.control_plane.versions("mc-1").size() == 1);
  CHECK(scene.reloads() == 1);
}

TEST_CASE("A deployment that the target refuses leaves the old files and says why") {
  Scene scene;
  scene.control_plane.order(scene.order("mc-1"));
  Process agent = scene.start();
  REQUIRE(scene.wait_deployed("mc-1"));
  const auto before = read_file(scene.certificate_file("mc-1"));
  auto order = scene.order("mc-1");
  const auto at = order.target_config.find("/bin/true");
  order.target_config.replace(at, 9, "/bin/false");
  const std::string first = scene.control_plane.deployment_of("mc-1");
  scene.control_plane.order(order);
  REQUIRE(scene.control_plane.wait([&] { return scene.control_plane.deployment_of("mc-1") != first; }));
  const std::string job = scene.control_plane.deployment_of("mc-1");
  REQUIRE(scene.control_plane.wait([&] { return scene.control_plane.job_status(job) == "Failed"; }));
  CHECK_THAT(json::text_or(json::parse(scene.control_plane.received(job).back().body), "error"),
             Contains("deployment failed: deploy: validate (PreCommit) failed"));
  CHECK(read_file(scene.certificate_file("mc-1")) == before);
}

TEST_CASE("Jobs that cannot be done fail with upstream's words") {
  Scene scene;
  scene.control_plane.order(scene.order("mc-1"));
  Process agent = scene.start();
  REQUIRE(scene.wait_deployed("mc-1"));
  const auto failure = [&](const std::string& job) {
    REQUIRE(scene.control_plane.wait([&] { return scene.control_plane.job_status(job) == "Failed"; }));
    return json::text_or(json::parse(scene.control_plane.received(job).back().body), "error");
  };
  CHECK_THAT(failure(scene.control_plane.deploy_again("mc-1", "null")),
             Contains("connector init failed: invalid NGINX config: target_config is a null"));
  CHECK_THAT(failure(scene.control_plane.deploy_again("mc-1", R"({"cert_path":["/tmp/x"]})")),
             Contains("connector init failed: invalid NGINX config: /cert_path"));
  CHECK_THAT(failure(scene.control_plane.deploy_again("mc-1", R"({"cert_path":"/tmp/x","reload_command":"a; b"})")),
             Contains("connector init failed: invalid NGINX config: ") && Contains("metacharacter"));
  auto unknown = scene.order("mc-2");
  unknown.target_type = "Toaster";
  scene.control_plane.order(unknown);
  REQUIRE(scene.control_plane.wait([&] { return !scene.control_plane.deployment_of("mc-2").empty(); }));
  CHECK_THAT(failure(scene.control_plane.deployment_of("mc-2")),
             Contains("connector init failed: unsupported target type: Toaster (installed: NGINX)"));
  auto nameless = scene.order("mc-3");
  nameless.names = {""};
  CHECK(failure(scene.control_plane.order(nameless)) == "empty common name");
}

TEST_CASE("A job without target type is completed without action") {
  Scene scene;
  auto order = scene.order("mc-1");
  order.target_type.clear();
  scene.control_plane.order(order);
  Process agent = scene.start();
  CHECK(scene.wait_deployed("mc-1"));
  CHECK(scene.reloads() == 0);
}

TEST_CASE("Long poll brings work within a moment of its creation") {
  Scene scene({.long_poll = true});
  Process agent = scene.start({{"CERTCTL_POLL_INTERVAL", "1s"}});
  REQUIRE(scene.control_plane.wait([&] { return scene.control_plane.leaked("wait=50"); }));
  scene.control_plane.order(scene.order("mc-1"));
  CHECK(scene.wait_deployed("mc-1"));
}

}  // namespace
}  // namespace certctl::agent::test
