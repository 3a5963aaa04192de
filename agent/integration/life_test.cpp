#include "agent/integration/fixture.hpp"
#include "core/base/json.hpp"

namespace certctl::agent::test {
namespace {

using Catch::Matchers::Contains;

TEST_CASE("An agent that the control plane does not know registers at its first heartbeat") {
  Scene scene({.knows_agent = false, .gives_api_key = true});
  Process agent = scene.start();
  REQUIRE(scene.control_plane.wait(
      [&] { return scene.control_plane.keys_seen().contains(std::string("Bearer ") + StandIn::kOwnKey); }));
  const auto sent = json::parse(scene.control_plane.last_body("agents"));
  CHECK(json::text_or(sent, "id") == StandIn::kAgent);
  CHECK(json::text_or(sent, "os") == "linux");
  const auto identity = json::parse(read_file(scene.state() / "identity.json").value_or("{}"));
  CHECK(json::text_or(identity, "agent_id") == StandIn::kAgent);
  CHECK(json::text_or(identity, "api_key") == StandIn::kOwnKey);
  CHECK(scene.log().find(StandIn::kOwnKey) == std::string::npos);
}

TEST_CASE("An agent without an id registers by name and keeps its identity") {
  Scene scene({.knows_agent = false, .gives_api_key = true});
  {
    Process agent = scene.start({{"CERTCTL_AGENT_ID", ""}, {"CERTCTL_AGENT_NAME", "by-name"}});
    REQUIRE(scene.control_plane.wait([&] { return scene.control_plane.requests("work") > 0; }));
    agent.send(SIGTERM);
    CHECK(agent.wait() == 0);
  }
  CHECK(json::text_or(json::parse(scene.control_plane.last_body("agents")), "name") == "by-name");
  const int heartbeats = scene.control_plane.requests("heartbeat");
  // Neither id nor key are needed any more.
  Process agent = scene.start({{"CERTCTL_AGENT_ID", ""}, {"CERTCTL_API_KEY", ""}});
  CHECK(scene.control_plane.wait([&] { return scene.control_plane.requests("heartbeat") > heartbeats; }));
  CHECK(scene.control_plane.requests("agents") == 1);
}

TEST_CASE("A key of the agent's own that is three months old is replaced") {
  Scene scene({.gives_api_key = true});
  make_private_folder(scene.state());
  write_durably(
      scene.state() / "identity.json",
      fmt::format(R"({{"server":"{}","agent_id":"{}","api_key":"{}","registered_at":"2024-01-01T00:00:00Z"}})",
                  scene.control_plane.url(), StandIn::kAgent, StandIn::kOwnKey));
  Process agent = scene.start({{"CERTCTL_AGENT_ID", ""}, {"CERTCTL_API_KEY", ""}});
  REQUIRE(scene.control_plane.wait(
      [&] { return scene.control_plane.keys_seen().contains(std::string("Bearer ") + StandIn::kRotatedKey); }));
  CHECK(json::text_or(json::parse(read_file(scene.state() / "identity.json").value_or("{}")), "api_key") ==
        StandIn::kRotatedKey);
}

TEST_CASE("A refused registration ends the agent with the remedy") {
  Scene scene({.knows_agent = false});
  Process agent = scene.start({{"CERTCTL_AGENT_ID", ""}, {"CERTCTL_API_KEY", "wrong-key"}});
  CHECK(agent.wait() == 1);
  CHECK_THAT(agent.log(), Contains("Error: registration refused") && Contains("CERTCTL_AGENT_BOOTSTRAP_TOKEN"));
}

TEST_CASE("The heartbeat tells what the agent is and can do") {
  Scene scene;
  Process agent = scene.start();
  REQUIRE(scene.control_plane.wait([&] { return scene.control_plane.requests("heartbeat") > 0; }));
  const auto body = json::parse(scene.control_plane.last_body("heartbeat"));
  CHECK(json::texts(body, "capabilities") ==
        std::vector<std::string>{"long_poll", "job_lease", "ip_sans", "deployment_report"});
  CHECK(json::text_of(*json::at(body, "/plugins/0/type")) == "NGINX");
  CHECK(json::text_or(body, "ip_address") == "127.0.0.1");
  CHECK(json::integer_or(body, "pending_reports", -1) == 0);
  CHECK_FALSE(json::text_or(body, "started_at").empty());
}

TEST_CASE("A retired agent exits with 0, and again at once at its next start") {
  Scene scene;
  scene.control_plane.retire();
  Process agent = scene.start();
  CHECK(agent.wait() == 0);
  CHECK_THAT(agent.log(), Contains("\"id\":\"AGENT_RETIRED\"") && Contains("\"status\":410"));
  CHECK(fs::exists(scene.state() / "retired"));
  const int heartbeats = scene.control_plane.requests("heartbeat");
  Process again = scene.start();
  CHECK(again.wait() == 0);
  CHECK_THAT(again.log(), Contains("to enrol again"));
  CHECK(scene.control_plane.requests("heartbeat") == heartbeats);
}

TEST_CASE("A single 410 on another route is checked by a heartbeat and stops nobody") {
  Scene scene;
  scene.control_plane.retire_route("csr");
  scene.control_plane.order(scene.order("mc-1"));
  Process agent = scene.start();
  REQUIRE(scene.control_plane.wait([&] { return scene.control_plane.requests("csr") > 0; }));
  const int heartbeats = scene.control_plane.requests("heartbeat");
  CHECK(scene.control_plane.wait([&] {
    return scene.control_plane.requests("heartbeat") > heartbeats || scene.control_plane.requests("heartbeat") > 1;
  }));
  CHECK(agent.running());
}

TEST_CASE("An API key from a file is read again when the old one is refused") {
  Scene scene;
  write_durably(scene.folder / "key", "old-key-that-is-refused");
  Process agent = scene.start({{"CERTCTL_API_KEY", ""}, {"CERTCTL_API_KEY_FILE", (scene.folder / "key").string()}});
  REQUIRE(scene.control_plane.wait([&] { return scene.control_plane.requests("heartbeat") > 0; }));
  write_durably(scene.folder / "key", StandIn::kKey);
  agent.send(SIGHUP);
  CHECK(scene.control_plane.wait(
      [&] { return scene.control_plane.keys_seen().contains(std::string("Bearer ") + StandIn::kKey); }));
  CHECK(agent.running());
}

TEST_CASE("A second agent on the same state directory is refused") {
  Scene scene;
  Process first = scene.start();
  REQUIRE(scene.control_plane.wait([&] { return scene.control_plane.requests("heartbeat") > 0; }));
  Process second = scene.start();
  CHECK(second.wait() == 1);
  CHECK_THAT(second.log(), Contains("Error: another agent runs with the state directory"));
}

TEST_CASE("One run does what waits and says by its exit code how it went") {
  Scene scene;
  scene.control_plane.order(scene.order("mc-1"));
  CHECK(scene.start({}, {"-once"}).wait() == 0);
  CHECK(scene.control_plane.versions("mc-1").size() == 1);
  CHECK(scene.start({}, {"-once"}).wait() == 0);
  CHECK(scene.control_plane.job_status(scene.control_plane.deployment_of("mc-1")) == "Completed");
  const std::string job = scene.control_plane.deploy_again("mc-1", "null");
  CHECK(scene.start({}, {"-once"}).wait() == 1);
  CHECK(scene.control_plane.job_status(job) == "Failed");
}

TEST_CASE("The configuration can be checked beside a working agent") {
  Scene scene;
  Process agent = scene.start();
  REQUIRE(scene.control_plane.wait([&] { return scene.control_plane.requests("heartbeat") > 0; }));
  CHECK(scene.start({}, {"-check-config"}).wait() == 0);
  CHECK(scene.start({{"CERTCTL_API_KEY", "wrong-key"}}, {"-check-config"}).wait() == 1);
  CHECK(agent.running());
}

TEST_CASE("Start gates fail with one line, exit 1 and no request") {
  Scene scene;
  const auto refused = [&](std::map<std::string, std::string> more) {
    Process agent = scene.start(std::move(more));
    CHECK(agent.wait() == 1);
    const std::string log = agent.log();
    fs::remove(scene.folder / "agent.log");
    return log;
  };
  CHECK_THAT(refused({{"CERTCTL_API_KEY", ""}}),
             Contains("Error: API key is required") && Contains("-api-key") && Contains("CERTCTL_API_KEY"));
  CHECK_THAT(refused({{"CERTCTL_SERVER_URL", "http://localhost:1"}}), Contains("HTTPS-only"));
  CHECK_THAT(refused({{"CERTCTL_SERVER_CA_BUNDLE_PATH", "/nonexistent/ca.crt"}}),
             Contains("/nonexistent/ca.crt") && Contains("cannot be read"));
  write_durably(scene.folder / "no.pem", "nothing here");
  CHECK_THAT(refused({{"CERTCTL_SERVER_CA_BUNDLE_PATH", (scene.folder / "no.pem").string()}}),
             Contains("no usable PEM certificate"));
  CHECK_THAT(refused({{"CERTCTL_KEY_DIR", "/"}}), Contains("key directory \"/\" is refused"));
  CHECK_THAT(refused({{"CERTCTL_KEY_DIR", (scene.folder / "no.pem").string()},
                      {"CERTCTL_STATE_DIR", (scene.folder / "st").string()}}),
             Contains("is not a directory"));
  CHECK_THAT(refused({{"CERTCTL_AGENT_ID", "server-scanner"}}), Contains("CERTCTL_AGENT_ID"));
  CHECK(scene.control_plane.requests("heartbeat") == 0);
}

TEST_CASE("Usage errors exit with 2, help and version with 0") {
  Scene scene;
  CHECK(scene.start({}, {"-nope"}).wait() == 2);
  CHECK(scene.start({}, {"-help"}).wait() == 0);
  Process version = scene.start({}, {"-version"});
  CHECK(version.wait() == 0);
  CHECK_THAT(version.log(), Contains("plugin ABI 1.") && Contains("target NGINX"));
}

TEST_CASE("A control plane whose certificate is not trusted is never spoken to") {
  Scene scene;
  const TemporaryFolder other;
  const StandIn stranger(other.path(), {});
  Process agent = scene.start({{"CERTCTL_SERVER_CA_BUNDLE_PATH", stranger.ca_bundle()}}, {"-check-config"});
  CHECK(agent.wait() == 1);
  CHECK(scene.control_plane.requests("heartbeat") == 0);
}

TEST_CASE("Discovery folders are accepted with one clear line") {
  Scene scene;
  Process agent = scene.start({{"CERTCTL_DISCOVERY_DIRS", "/etc/ssl"}});
  REQUIRE(scene.control_plane.wait([&] { return scene.control_plane.requests("heartbeat") > 0; }));
  CHECK_THAT(agent.log(), Contains("not in this version"));
}

}  // namespace
}  // namespace certctl::agent::test
