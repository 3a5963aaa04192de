#include <random>
#include <thread>

#include "agent/integration/fixture.hpp"

namespace certctl::agent::test {
namespace {

/// What must hold after any crash: one certificate, its files in place, one report.
void check_once(const Scene& scene, const std::string& id) {
  const bool deployed = scene.wait_deployed(id);
  INFO(scene.log());
  REQUIRE(deployed);
  CHECK(scene.control_plane.versions(id).size() == 1);
  CHECK(scene.control_plane.report_ids(scene.control_plane.deployment_of(id)).size() == 1);
  scene.check_installed(id);
}

TEST_CASE("A crash at any step ends, after the restart, with one certificate and one deployment") {
  const std::string step =
      GENERATE(as<std::string>{}, "key_stored", "csr_submitted", "certificate_fetched", "deployed", "report_written");
  CAPTURE(step);
  Scene scene;
  scene.control_plane.order(scene.order("mc-1"));
  CHECK(scene.start({{"CERTCTL_CRASH_AT", step}}).wait() == 137);
  Process agent = scene.start();
  check_once(scene, "mc-1");
  CHECK(scene.reloads() == 1);
}

TEST_CASE("A crash inside the connector is settled by the repeated deployment") {
  const std::string step = GENERATE(as<std::string>{}, "deploy.write", "deploy.rename:2", "deploy.rename:3",
                                    "deploy.rename:4", "deploy.fsync-folder:3");
  CAPTURE(step);
  Scene scene;
  scene.control_plane.order(scene.order("mc-1"));
  CHECK(scene.start({{"CERTCTL_CRASH_AT", step}}).wait() == 137);
  Process agent = scene.start();
  check_once(scene, "mc-1");
  CHECK(scene.reloads() >= 1);
}

TEST_CASE("An agent that is killed at random moments loses and doubles nothing") {
  Scene scene({.claim_again = 2s});  // a claim whose answer was lost with the process comes back
  std::mt19937 random(20261124);     // NOLINT: the same rounds each time
  for (int round = 0; round < 12; ++round) {
    const std::string id = fmt::format("mc-{}", round);
    scene.control_plane.order(scene.order(id));
    for (int life = 0; life < 3; ++life) {
      Process agent = scene.start();
      std::this_thread::sleep_for(std::chrono::milliseconds(
          std::uniform_int_distribution<int>(20, 900)(random)));  // the moment is what is tested
      agent.send(SIGKILL);
      agent.wait();
    }
    const int heartbeats = scene.control_plane.requests("heartbeat");
    Process agent = scene.start();
    CAPTURE(round);
    check_once(scene, id);
    REQUIRE(scene.control_plane.wait([&] { return scene.control_plane.requests("heartbeat") > heartbeats; }));
    agent.send(SIGTERM);
    CHECK(agent.wait() == 0);
  }
}

TEST_CASE("Reports wait for a control plane that is away, over a restart of the agent") {
  Scene scene;
  scene.control_plane.misbehave("status", {StandIn::Fault::busy_503});  // the Running report
  scene.control_plane.misbehave("status", std::vector<StandIn::Fault>(3, StandIn::Fault::error_500));
  scene.control_plane.order(scene.order("mc-1"));
  Process first = scene.start();
  REQUIRE(scene.control_plane.wait(
      [&] { return fs::exists(scene.certificate_file("mc-1")) && scene.control_plane.requests("status") >= 2; }));
  first.send(SIGKILL);
  first.wait();
  Process second = scene.start();
  check_once(scene, "mc-1");
  CHECK(scene.reloads() == 1);
}

}  // namespace
}  // namespace certctl::agent::test
