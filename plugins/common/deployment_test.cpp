#include "plugins/common/deployment.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>

#include <atomic>
#include <thread>

#include "plugins/common/deployment_test_support.hpp"
#include "plugins/common/locks.hpp"

using namespace certctl;
using namespace certctl::common;

namespace {

mode_t mode_of(const std::string& path) {
  struct stat status {};
  ::stat(path.c_str(), &status);
  return status.st_mode & 07777;
}

}  // namespace

TEST_CASE("a deployment replaces all files, keeps modes, and leaves backups and a finished journal") {
  const Machine machine;
  SimulatedServer server(machine.folder);
  const auto result = machine.deploy(machine.plan(machine.next), server);
  CHECK(machine.holds(machine.next));
  CHECK(server.served() == machine.next.fingerprint);
  CHECK(result.previous_fingerprint == machine.old.fingerprint);
  CHECK(result.validate_mode == ValidateMode::in_namespace);
  CHECK(mode_of(machine.folder.file("tls/key.pem")) == 0640);
  CHECK(machine.temps().empty());
  CHECK(machine.backups().size() == 2);
  CHECK(result.backup_paths.size() == 2);
  CHECK(machine.journal_state() == "done");
  const std::string journal = machine.folder.read("state/deployments/target-1.json");
  CHECK(journal.find("PRIVATE") == std::string::npos);
}

TEST_CASE("the same bytes again are left alone, but only once they were reloaded and verified") {
  const Machine machine;
  SimulatedServer server(machine.folder);
  CHECK_FALSE(machine.deploy(machine.plan(machine.old), server).idempotent);
  CHECK(server.reloads == 1);
  CHECK(machine.deploy(machine.plan(machine.old), server).idempotent);
  CHECK(server.reloads == 1);
  machine.folder.write("served", machine.next.leaf);
  CHECK_FALSE(machine.deploy(machine.plan(machine.old), server).idempotent);
  CHECK(server.reloads == 2);
  CHECK(machine.backups().empty());
  Plan forced = machine.plan(machine.old);
  forced.skip_idempotent = true;
  CHECK_FALSE(machine.deploy(forced, server).idempotent);
}

TEST_CASE("new bytes that the server's check refuses change nothing and leave nothing behind") {
  const Machine machine;
  SimulatedServer server(machine.folder);
  server.refuse_new = true;
  const auto failure = failure_of([&] { machine.deploy(machine.plan(machine.next), server); });
  CHECK_THAT(failure.what(), Catch::StartsWith("deploy: validate (PreCommit) failed: nginx -t failed: exit status 1"));
  CHECK(failure.stage() == "pre_commit");
  CHECK(machine.holds(machine.old));
  CHECK(machine.temps().empty());
  CHECK(machine.backups().empty());
  CHECK(server.reloads == 0);
}

TEST_CASE("a certificate and key that do not belong together are refused before the commit") {
  const Machine machine;
  SimulatedServer server(machine.folder);
  Plan plan = machine.plan(machine.next);
  plan.files[1].bytes = SecretText::copy_of(machine.old.key);
  const auto failure = failure_of([&] { machine.deploy(plan, server); });
  CHECK_THAT(failure.what(), Catch::Contains("private key does not belong to certificate"));
  CHECK(machine.holds(machine.old));
}

TEST_CASE("a check that can only run after the commit rolls back without a reload") {
  const Machine machine;
  SimulatedServer server(machine.folder);
  server.mode = ValidateMode::before_and_after_commit;
  server.refuse_committed = true;
  const auto failure = failure_of([&] { machine.deploy(machine.plan(machine.next), server); });
  CHECK_THAT(failure.what(), Catch::StartsWith("deploy: validate (PreCommit) failed: "));
  CHECK(failure.rolled_back);
  CHECK(machine.holds(machine.old));
  CHECK(server.reloads == 0);
}

TEST_CASE("a server that does not take the new certificate gets the old files back") {
  const Machine machine;
  SimulatedServer server(machine.folder);
  server.deaf = true;
  const auto failure = failure_of([&] { machine.deploy(machine.plan(machine.next), server); });
  CHECK_THAT(failure.what(),
             Catch::StartsWith("post-deploy TLS verify SHA-256 mismatch: got " + machine.old.fingerprint));
  CHECK(failure.stage() == "verify");
  CHECK(failure.rolled_back);
  CHECK(machine.holds(machine.old));
  CHECK(server.reloads == 2);
  CHECK(mode_of(machine.folder.file("tls/key.pem")) == 0640);
  CHECK(machine.journal_state() == "rolled_back");
}

TEST_CASE("a reload that fails for new and old files asks for a person, with the old files back") {
  const Machine machine;
  SimulatedServer server(machine.folder);
  server.fail_reload = true;
  const auto failure = failure_of([&] { machine.deploy(machine.plan(machine.next), server); });
  CHECK_THAT(failure.what(),
             Catch::StartsWith("deploy: reload failed AND rollback also failed; manual intervention required"));
  CHECK(failure.manual_action_required);
  CHECK(failure.so_far.backup_paths.size() == 2);
  CHECK(machine.holds(machine.old));
  CHECK(machine.journal_state() == "rollback_failed");
  server.fail_reload = false;
  CHECK_NOTHROW(machine.deploy(machine.plan(machine.next), server));
  CHECK(machine.holds(machine.next));
}

TEST_CASE("files that did not exist are made with the defaults and removed by a rollback") {
  const Machine machine;
  machine.folder.remove("tls/key.pem");
  SimulatedServer server(machine.folder);
  server.deaf = true;
  failure_of([&] { machine.deploy(machine.plan(machine.next), server); });
  CHECK_FALSE(machine.folder.has("tls/key.pem"));
  server.deaf = false;
  machine.deploy(machine.plan(machine.next), server);
  CHECK(mode_of(machine.folder.file("tls/key.pem")) == 0600);
}

TEST_CASE("a destination that is a link keeps being one") {
  const Machine machine;
  std::filesystem::create_directories(machine.folder.file("real"));
  std::filesystem::rename(machine.folder.file("tls/cert.pem"), machine.folder.file("real/cert-1.pem"));
  std::filesystem::create_symlink("../real/cert-1.pem", machine.folder.file("tls/cert.pem"));
  SimulatedServer server(machine.folder);
  machine.deploy(machine.plan(machine.next), server);
  CHECK(std::filesystem::is_symlink(machine.folder.file("tls/cert.pem")));
  CHECK(machine.holds(machine.next));
  CHECK(machine.folder.names("real", "certctl-bak").size() == 1);
}

TEST_CASE("only the newest backups are kept") {
  const Machine machine;
  SimulatedServer server(machine.folder);
  for (int i = 0; i < 3; ++i) {
    Plan plan = machine.plan(i % 2 == 0 ? machine.next : machine.old);
    plan.backup_retention = 2;
    machine.deploy(plan, server);
  }
  CHECK(machine.folder.names("tls", "cert.pem.certctl-bak").size() == 2);
  Plan none = machine.plan(machine.old);
  none.backup_retention = -1;
  machine.deploy(none, server);
  CHECK(machine.backups().empty());
}

TEST_CASE("a rollback needs no backup files") {
  const Machine machine;
  SimulatedServer server(machine.folder);
  server.deaf = true;
  Plan plan = machine.plan(machine.next);
  plan.backup_retention = -1;
  CHECK(failure_of([&] { machine.deploy(plan, server); }).rolled_back);
  CHECK(machine.holds(machine.old));
}

TEST_CASE("backups go into their own folder, keys never readable by others") {
  const Machine machine;
  std::filesystem::create_directories(machine.folder.file("backups"));
  std::filesystem::permissions(machine.folder.file("tls/key.pem"), std::filesystem::perms(0644));
  SimulatedServer server(machine.folder);
  Plan plan = machine.plan(machine.next);
  plan.backup_dir = machine.folder.file("backups");
  const auto result = machine.deploy(plan, server);
  CHECK(machine.backups().empty());
  CHECK(machine.folder.names("backups", "certctl-bak").size() == 2);
  CHECK(mode_of(result.backup_paths.at(1)) == 0640);
}

TEST_CASE("a plan that cannot be carried out is refused before anything happens") {
  const Machine machine;
  SimulatedServer server(machine.folder);
  const auto refused = [&](const std::string& path) {
    Plan plan = machine.plan(machine.next);
    plan.files[1].path = path;
    return std::string(failure_of([&] { machine.deploy(plan, server); }).what());
  };
  CHECK_THAT(refused("relative"), Catch::StartsWith("deploy: plan is invalid: "));
  CHECK_THAT(refused(""), Catch::StartsWith("deploy: plan is invalid: "));
  CHECK_THAT(refused(machine.folder.file("tls/../tls/key.pem")), Catch::Contains("\"..\""));
  CHECK_THAT(refused(machine.folder.file("tls/cert.pem")), Catch::Contains("two files go to"));
  CHECK_THAT(refused(machine.folder.file("none/key.pem")), Catch::Contains("parent directory"));
  CHECK_THAT(refused(machine.folder.file("tls")), Catch::Contains("is not a regular file"));
  std::filesystem::create_directories(machine.folder.file("open"));
  std::filesystem::permissions(machine.folder.file("open"), std::filesystem::perms(0777));
  CHECK_THAT(refused(machine.folder.file("open/key.pem")), Catch::Contains("can be written by everybody"));
  Plan unknown = machine.plan(machine.next);
  unknown.files[0].wish.owner = "no-such-user-here";
  CHECK_THROWS_WITH(machine.deploy(unknown, server), "there is no user \"no-such-user-here\" on this machine");
  CHECK(machine.holds(machine.old));
  CHECK(machine.backups().empty());
}

TEST_CASE("an explicit mode wins over the existing file's") {
  const Machine machine;
  SimulatedServer server(machine.folder);
  Plan plan = machine.plan(machine.next);
  plan.files[1].wish.mode = 0400;
  machine.deploy(plan, server);
  CHECK(mode_of(machine.folder.file("tls/key.pem")) == 0400);
}

TEST_CASE("a finished deployment is undone by its token as long as the backups are there") {
  const Machine machine;
  SimulatedServer server(machine.folder);
  std::string token;
  EngineOptions options = machine.options();
  options.checkpoint = [&](std::string_view bytes) { token = bytes; };
  DeploymentEngine engine(options);
  engine.deploy(machine.plan(machine.next), server);
  engine.roll_back(token, server);
  CHECK(machine.holds(machine.old));
  CHECK(server.served() == machine.old.fingerprint);
  engine.deploy(machine.plan(machine.next), server);
  for (const auto& name : machine.backups()) machine.folder.remove("tls/" + name);
  CHECK_THROWS_WITH(engine.roll_back(token, server), Catch::Contains("is gone or was changed"));
}

TEST_CASE("a dry run changes nothing at the destination") {
  const Machine machine;
  SimulatedServer server(machine.folder);
  CHECK(DeploymentEngine(machine.options()).dry_run(machine.plan(machine.next), server) == ValidateMode::in_namespace);
  CHECK(machine.holds(machine.old));
  CHECK(machine.folder.names("tls", "").size() == 2);
  CHECK(machine.folder.names("state/dry-run", "").empty());
  server.refuse_new = true;
  CHECK_THROWS_WITH(DeploymentEngine(machine.options()).dry_run(machine.plan(machine.next), server),
                    Catch::StartsWith("deploy: validate (PreCommit) failed"));
  CHECK(machine.folder.names("state/dry-run", "").empty());
}

TEST_CASE("two deployments to one target never overlap") {
  const Machine machine;
  const Locks held(machine.folder.file("state"), {"target target-1"}, [](std::chrono::milliseconds) { return true; });
  SimulatedServer server(machine.folder);
  EngineOptions options = machine.options();
  options.wait = [](std::chrono::milliseconds) { return false; };
  CHECK_THROWS_WITH(DeploymentEngine(options).deploy(machine.plan(machine.next), server),
                    Catch::Contains("another deployment holds the lock"));
}

TEST_CASE("deployments of several threads to one target end as one of them, whole") {
  const Machine machine;
  std::vector<std::thread> threads;
  std::atomic<int> succeeded = 0;
  for (const TestCertificate* what : {&machine.next, &certificates().third, &machine.old}) {
    threads.emplace_back([&, what] {
      SimulatedServer server(machine.folder);
      machine.deploy(machine.plan(*what), server);
      ++succeeded;
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(succeeded == 3);
  CHECK((machine.holds(machine.next) || machine.holds(certificates().third) || machine.holds(machine.old)));
  CHECK(machine.temps().empty());
  CHECK(machine.journal_state() == "done");
}
