#include "core/plugin_services/process.hpp"

#include <signal.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <catch2/catch.hpp>

using namespace certctl;
using namespace certctl::plugin;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

ProcessOptions program(std::vector<std::string> arguments) {
  ProcessOptions options;
  options.arguments = std::move(arguments);
  options.helper = std::string(std::getenv("CERTCTL_TEST_BIN_DIR")) + "/certctl-exec";
  options.deadline = std::chrono::steady_clock::now() + 60s;
  return options;
}

ProcessResult run(const ProcessOptions& options) {
  Cancellation cancellation;
  return run_process(options, cancellation);
}

ProcessResult shell(const std::string& script) { return run(program({"/bin/sh", "-c", script})); }

std::filesystem::path scratch() {
  std::string name = (std::filesystem::temp_directory_path() / "certctl-process-XXXXXX").string();
  REQUIRE(::mkdtemp(name.data()));
  return name;
}

/// Whether this machine lets us have a private mount namespace.
bool namespaces_possible() { return std::system("unshare -m true 2>/dev/null") == 0; }

}  // namespace

TEST_CASE("a program ends with its status and its output") {
  const ProcessResult result = shell("echo out; echo err >&2; exit 3");
  CHECK(result.exit_status == 3);
  CHECK(result.output == "out\nerr\n");
  CHECK_FALSE(result.isolated);
}

TEST_CASE("a program killed by a signal says which") {
  const ProcessResult result = shell("kill -9 $$");
  CHECK(result.exit_status == -1);
  CHECK(result.signal == SIGKILL);
}

TEST_CASE("a program sees only the environment it is given, an empty stdin, and a narrow umask") {
  ::setenv("CERTCTL_PROCESS_TEST_SECRET", "leaked", 1);
  ProcessOptions options = program({"env"});
  options.environment = {{"A", "1"}, {"B", "x y"}};
  CHECK(run(options).output == "A=1\nB=x y\n");
  CHECK(shell("cat; umask; pwd").output == "0077\n/\n");
  options = program({"ls", "/proc/self/fd"});
  CHECK(run(options).output == "0\n1\n2\n3\n");  // 3 is the folder that ls reads
}

TEST_CASE("arguments are passed as they are, without a shell") {
  CHECK(run(program({"printf", "%s|", "$HOME", "a b", "*"})).output == "$HOME|a b|*|");
}

TEST_CASE("a program that is nowhere is named") {
  CHECK_THROWS_WITH(run(program({"no-such-program"})),
                    Contains("program \"no-such-program\" was not found in /usr/local/sbin:"));
  CHECK_THROWS_WITH(run(program({"/no/such/program"})), "/no/such/program: No such file or directory");
}

TEST_CASE("a program that outstays its time is stopped with its group") {
  ProcessOptions options = program({"/bin/sh", "-c", "trap 'echo bye; exit 7' TERM; while :; do sleep 0.05; done"});
  options.deadline = std::chrono::steady_clock::now() + 200ms;
  const ProcessResult result = run(options);
  CHECK(result.timed_out);
  CHECK(result.exit_status == 7);
  CHECK_THAT(result.output, Contains("bye"));
}

TEST_CASE("a program that ignores SIGTERM is killed") {
  ProcessOptions options = program({"/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"});
  options.deadline = std::chrono::steady_clock::now() + 50ms;
  const ProcessResult result = run(options);
  CHECK(result.timed_out);
  CHECK(result.signal == SIGKILL);
}

TEST_CASE("a cancelled program is stopped") {
  Cancellation cancellation;
  std::thread canceller([&] { cancellation.cancel(); });
  const ProcessResult result = run_process(program({"sleep", "60"}), cancellation);
  canceller.join();
  CHECK(result.cancelled);
  CHECK_FALSE(result.timed_out);
  CHECK(result.signal == SIGTERM);
}

TEST_CASE("a daemon left behind does not hold up the answer") {
  const ProcessResult result = shell("sleep 20 & echo $!");
  CHECK(result.exit_status == 0);
  ::kill(std::atoi(result.output.c_str()), SIGKILL);
}

TEST_CASE("long output keeps its beginning and its end") {
  const ProcessResult result = shell("echo first; head -c 100000 /dev/zero | tr '\\0' x; echo; echo last");
  CHECK(result.output.size() < 17 * 1024);
  CHECK(result.output.starts_with("first\n"));
  CHECK(result.output.ends_with("last\n"));
  CHECK_THAT(result.output, Contains("bytes left out]"));
}

TEST_CASE("private keys are taken out of output") {
  const std::string key = "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n";
  OutputKeeper whole;
  whole.add("before\n" + key + "after\n" + key.substr(0, 40));
  CHECK(whole.text() == "before\n[private key removed]\nafter\n[private key removed]");
  OutputKeeper cut;
  cut.add(std::string(8 * 1024, 'h'));
  cut.add("-----BEGIN EC PRIVATE KEY-----\nA" + std::string(8 * 1024 - 40, 'A') +
          "\n-----END EC PRIVATE KEY-----\nrest\n");
  CHECK_THAT(cut.text(), !Contains("AAAA") && Contains("rest"));
}

TEST_CASE("bound files are seen by the program only") {
  const auto folder = scratch();
  std::ofstream(folder / "live.pem") << "old\n";
  std::ofstream(folder / "staged.pem") << "new\n";
  ProcessOptions options = program({"cat", (folder / "live.pem").string()});
  options.binds = {{(folder / "staged.pem").string(), (folder / "live.pem").string()}};
  const ProcessResult result = run(options);
  if (namespaces_possible()) {
    CHECK(result.isolated);
    CHECK(result.output == "new\n");
  } else {
    CHECK_THAT(result.isolation_refused, Contains("CLONE_NEWNS"));
    CHECK(result.output.empty());
  }
  std::string live;
  std::ifstream(folder / "live.pem") >> live;
  CHECK(live == "old");
  std::filesystem::remove_all(folder);
}

TEST_CASE("a destination that is not there refuses the bind, and the program does not run") {
  const auto folder = scratch();
  std::ofstream(folder / "staged.pem") << "new\n";
  ProcessOptions options = program({"touch", (folder / "ran").string()});
  options.binds = {{(folder / "staged.pem").string(), (folder / "absent.pem").string()}};
  CHECK_FALSE(run(options).isolation_refused.empty());
  CHECK_FALSE(std::filesystem::exists(folder / "ran"));
  std::filesystem::remove_all(folder);
}
