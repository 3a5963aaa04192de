#include <catch2/catch.hpp>
#include <sys/wait.h>

#include <cerrno>
#include <system_error>

#include "plugins/common/deployment_test_support.hpp"

using namespace certctl;
using namespace certctl::common;

TEST_CASE("an error at any file step ends fully old or fully new, and says which") {
  int steps = 0;
  for (int at = 1;; ++at) {
    const Machine machine;
    SimulatedServer server(machine.folder);
    int count = 0;
    bool failed = false;
    try {
      machine.deploy(machine.plan(machine.next), server, [&](std::string_view, const std::string&) {
        if (++count == at) throw std::system_error(EIO, std::generic_category());
      });
    } catch (const Error&) {
      failed = true;
    }
    CAPTURE(at, count, failed, machine.journal_state());
    REQUIRE((failed ? machine.holds(machine.old) : machine.holds(machine.next)));
    REQUIRE(server.served() == (failed ? machine.old.fingerprint : machine.next.fingerprint));
    // What could not be tidied up because of the error is tidied up by the next deployment.
    machine.deploy(machine.plan(machine.next), server);
    REQUIRE(machine.holds(machine.next));
    REQUIRE(machine.temps().empty());
    if (count < at) break;
    ++steps;
  }
  CHECK(steps > 30);
}

namespace {

/// Runs a deployment in a child that dies before the file step of which `dies` says so. True: it lived to the end.
bool survives(const Machine& machine, const std::function<bool(std::string_view, const std::string&)>& dies) {
  const pid_t child = ::fork();
  if (child == 0) {
    SimulatedServer server(machine.folder);
    machine.deploy(machine.plan(machine.next), server, [&](std::string_view step, const std::string& path) {
      if (dies(step, path)) ::_exit(137);
    });
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool survives(const Machine& machine, int at) {
  int count = 0;
  return survives(machine, [&](std::string_view, const std::string&) { return ++count == at; });
}

}  // namespace

TEST_CASE("after a crash at any file step the next deployment finishes the job") {
  for (int at = 1;; ++at) {
    const Machine machine;
    if (survives(machine, at)) break;
    SimulatedServer server(machine.folder);
    CAPTURE(at, machine.journal_state());
    machine.deploy(machine.plan(machine.next), server);
    REQUIRE(machine.holds(machine.next));
    REQUIRE(server.served() == machine.next.fingerprint);
    REQUIRE(machine.temps().empty());
    REQUIRE(machine.journal_state() == "done");
  }
}

TEST_CASE("after a crash at any file step the machine is settled fully old or fully new") {
  bool old_seen = false;
  bool new_seen = false;
  for (int at = 1;; ++at) {
    const Machine machine;
    if (survives(machine, at)) break;
    SimulatedServer server(machine.folder);
    server.refuse_new = true;  // so that only the settling changes anything
    CAPTURE(at, machine.journal_state());
    CHECK_THROWS_AS(machine.deploy(machine.plan(certificates().third), server), DeploymentFailure);
    const bool is_old = machine.holds(machine.old);
    REQUIRE((is_old || machine.holds(machine.next)));
    REQUIRE(server.served() == (is_old ? machine.old.fingerprint : machine.next.fingerprint));
    REQUIRE(machine.temps().empty());
    old_seen = old_seen || is_old;
    new_seen = new_seen || !is_old;
  }
  CHECK(old_seen);
  CHECK(new_seen);
}

TEST_CASE("files that somebody changed after a crash are left alone until a person forces it") {
  const Machine machine;
  const std::string key = machine.folder.file("tls/key.pem");
  REQUIRE_FALSE(survives(
      machine, [&](std::string_view step, const std::string& path) { return step == "rename" && path == key; }));
  REQUIRE(machine.journal_state() == "committing");
  machine.folder.write("tls/cert.pem", certificates().third.leaf);
  SimulatedServer server(machine.folder);
  const auto failure = failure_of([&] { machine.deploy(machine.plan(machine.next), server); });
  CHECK(failure.manual_action_required);
  CHECK_THAT(failure.what(), Catch::Contains("somebody else has changed its files"));
  Plan forced = machine.plan(machine.next);
  forced.skip_idempotent = true;
  machine.deploy(forced, server);
  CHECK(machine.holds(machine.next));
}
