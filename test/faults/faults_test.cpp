// What a machine room does to a running installation: kills at random, a database that falls silent, clocks that differ,
// clients that crawl.
#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>

#include "core/base/error.hpp"
#include "test/integration/installation.hpp"

using namespace certctl;
using namespace certctl::test;
using namespace std::chrono_literals;

namespace {

struct Running : Installation {
  Running() {
    start_nginx();
    start_server();
    lay_ground();
  }

  /// As a service manager does: the server ends after five crashes of its PostgreSQL in ten minutes.
  void keep_up() {
    if (!server().running()) start_server();
  }
  /// Whatever answers are lost: until the row is there.
  void create_in_spite_of_all(const std::string& id) {
    REQUIRE(wait([&] {
      keep_up();
      try {
        create_certificate(id);
      } catch (const std::exception&) {
        // 503, a cut connection, or a conflict with the row of an attempt before.
      }
      return answers("/api/v1/certificates/" + id);
    }));
  }
  /// Until there is an answer, whatever it is.
  void deploy_in_spite_of_all(const std::string& id) {
    REQUIRE(wait([&] {
      keep_up();
      try {
        call("POST", "/api/v1/certificates/" + id + "/deploy");
        return true;
      } catch (const Error&) {
        return false;
      }
    }));
  }
};

/// Looks at what nginx serves, again and again, from a thread of its own.
class Watcher {
 public:
  explicit Watcher(Installation& all) : thread_([this, &all](std::stop_token stop) {
    while (!stop.stop_requested()) {
      const std::string fingerprint = all.served_fingerprint();
      if (fingerprint.empty()) ++failures_;
      else ++successes_;
      std::this_thread::sleep_for(20ms);
    }
  }) {}
  int failures() const { return failures_; }
  int successes() const { return successes_; }

 private:
  std::atomic<int> failures_ = 0, successes_ = 0;
  std::jthread thread_;
};

}  // namespace

TEST_CASE("fifty kills at random moments lose no job, double no certificate and break no handshake") {
  Running all;
  all.start_agent();
  const char* again = std::getenv("CERTCTL_TEST_SEED");  // of a run to repeat
  const unsigned seed = again != nullptr ? unsigned(std::stoul(again)) : std::random_device()();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const auto up_to = [&](int most) { return int(random() % unsigned(most + 1)); };

  constexpr int kRounds = 50, kRoundsEach = 5;  // with one certificate
  const Watcher watcher(all);
  for (int round = 0; round < kRounds; ++round) {
    const std::string id = fmt::format("mc-{}", round / kRoundsEach);
    if (round % kRoundsEach == 0) all.create_in_spite_of_all(id);
    else all.deploy_in_spite_of_all(id);
    std::this_thread::sleep_for(std::chrono::milliseconds(up_to(400)));  // the moment
    const int victims = 1 + up_to(6);  // bits: server, agent, database
    if ((victims & 4) != 0 && all.database_process() > 0) all.kill_database();
    if ((victims & 2) != 0) all.kill_agent();
    if ((victims & 1) != 0) all.kill_server();
    if ((victims & 1) != 0) all.start_server();
    if ((victims & 2) != 0) all.start_agent();
    REQUIRE(all.wait([&] {
      all.keep_up();
      return all.answers("/ready");
    }, 120s));
  }
  // The last kill may not have shown yet.
  all.kill_server();
  all.start_server();

  INFO(all.logs());
  std::set<std::string> serials;
  for (int i = 0; i < kRounds / kRoundsEach; ++i) {
    const std::string id = fmt::format("mc-{}", i);
    CAPTURE(id);
    REQUIRE(all.wait([&] { return json::text_or(all.ask("GET", "/certificates/" + id), "deployment_state") == "deployed"; }, 180s));
    CHECK(all.versions(id) == 1);
    CHECK(all.jobs(id, "Issuance").size() == 1);
    CHECK(serials.insert(json::text_or(all.ask("GET", "/certificates/" + id), "serial_number")).second);
    for (const auto& job : all.jobs(id, "Deployment")) CHECK(json::text_or(job, "status") != "Failed");
  }
  CHECK(watcher.successes() > 0);
  CHECK(watcher.failures() == 0);
}

namespace {

/// A database that is there and does not answer; it speaks again at the end, whatever the test comes to.
class SilentDatabase {
 public:
  explicit SilentDatabase(Installation& all) : all_(all) { all_.signal_database(SIGSTOP); }
  ~SilentDatabase() { all_.signal_database(SIGCONT); }
  SilentDatabase(const SilentDatabase&) = delete;
  SilentDatabase& operator=(const SilentDatabase&) = delete;

 private:
  Installation& all_;
};

}  // namespace

TEST_CASE("a database that falls silent for half a minute stops nothing for good") {
  Running all;
  all.start_agent();
  all.create_certificate("mc-before");
  REQUIRE(all.wait_served("mc-before"));

  {
    const SilentDatabase silent(all);
    const auto until = std::chrono::steady_clock::now() + 30s;
    CHECK(all.call("GET", "/health").status == 200);
    CHECK(all.call("GET", "/ready").status == 503);
    const auto refused = all.call("GET", "/api/v1/teams");
    CHECK(refused.status == 503);
    CHECK(refused.headers.has("Retry-After"));
    std::this_thread::sleep_until(until);
  }

  INFO(all.logs());
  REQUIRE(all.wait([&] { return all.answers("/ready"); }));
  all.create_in_spite_of_all("mc-after");
  CHECK(all.wait_served("mc-after"));
  CHECK(all.versions("mc-after") == 1);
}

namespace {

std::map<std::string, std::string> clock_off_by(const char* offset) {
  return {{"LD_PRELOAD", "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"}, {"FAKETIME", offset}, {"FAKETIME_DONT_FAKE_MONOTONIC", "1"}};
}

}  // namespace

TEST_CASE("an agent whose clock is ten minutes fast serves what it gets") {
  Running all;
  all.start_agent(clock_off_by("+10m"));
  all.create_certificate("mc-fast");
  CHECK(all.wait_served("mc-fast"));
  CHECK(all.versions("mc-fast") == 1);
}

TEST_CASE("an agent whose clock is ten minutes slow says so, and serves the same certificate once it is right") {
  Running all;
  all.start_agent(clock_off_by("-10m"));
  all.create_certificate("mc-slow");
  REQUIRE(all.wait([&] { return all.last_error("mc-slow", "Deployment").find("this machine's clock says") != std::string::npos; }));
  all.agent().send(SIGTERM);
  REQUIRE(all.agent().wait(60s) == 0);
  all.start_agent();
  CHECK(all.wait_served("mc-slow", 180s));
  CHECK(all.versions("mc-slow") == 1);
}

namespace {

/// Connections that send a byte of a handshake a second, for ever.
class Crawlers {
 public:
  Crawlers(int port, int count) {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(std::uint16_t(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < count; ++i) {
      const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (descriptor < 0 || ::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) break;
      descriptors_.push_back(descriptor);
    }
    thread_ = std::jthread([this](std::stop_token stop) {
      // The head of a TLS record that announces 512 bytes more (RFC 8446 §5.1).
      constexpr unsigned char kHello[] = {22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3};
      for (std::size_t at = 0; !stop.stop_requested(); ++at) {
        for (const int descriptor : descriptors_) ::send(descriptor, kHello + at % sizeof kHello, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        std::this_thread::sleep_for(1s);
      }
    });
  }
  ~Crawlers() {
    thread_.request_stop();
    thread_.join();
    for (const int descriptor : descriptors_) ::close(descriptor);
  }
  std::size_t count() const { return descriptors_.size(); }

 private:
  std::vector<int> descriptors_;
  std::jthread thread_;
};

}  // namespace

TEST_CASE("two thousand connections that crawl keep nobody from being served") {
  Installation all;
  all.start_nginx();
  all.start_server({{"CERTCTL_MAX_CONNECTIONS_PER_IP", "10000"}});
  all.lay_ground();
  const Crawlers crawlers(all.server_port(), 2000);
  REQUIRE(crawlers.count() == 2000);
  all.start_agent();
  all.create_certificate("mc-meanwhile");
  INFO(all.logs());
  CHECK(all.wait_served("mc-meanwhile"));
  CHECK(all.call("GET", "/health").status == 200);
}
