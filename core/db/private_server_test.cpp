#include "core/db/private_server.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "core/db/cluster_folder.hpp"
#include "core/db/connection.hpp"
#include "core/db/database.hpp"
#include "core/db/process.hpp"

using namespace certctl;
using namespace certctl::db;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

/// Folders that every account may enter, gone afterwards.
class Folders {
 public:
  Folders() {
    std::string pattern = "/tmp/certctl-test-private-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    ::chmod(root_.c_str(), 0755);
  }
  Folders(const Folders&) = delete;
  Folders& operator=(const Folders&) = delete;
  ~Folders() {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }
  PrivateServerOptions options() const {
    PrivateServerOptions options;
    options.data_dir = root_ / "data";
    options.runtime_dir = root_ / "run";
    options.shared_buffers = "16MB";
    return options;
  }
  const fs::path& root() const { return root_; }

 private:
  fs::path root_;
};

/// Folders with a cluster in them, copied from one that was made once: initdb syncs 39 MB to disk.
class PreparedFolders : public Folders {
 public:
  PreparedFolders() {
    static const Folders original;
    static const bool made = [] {
      PrivateServer(original.options()).start();
      return true;
    }();
    REQUIRE(made);
    const Finished copied = run_to_end({.arguments = {"/bin/cp", "-a", original.root() / "data", root() / "data"}});
    REQUIRE(copied.status == 0);
  }
};

template <typename Condition>
bool eventually(Condition condition, std::chrono::seconds time = 40s) {
  const auto until = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < until) {
    if (condition()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

std::string message_of(PrivateServer& server) {
  try {
    server.start();
  } catch (const Error& error) {
    return error.what();
  }
  return "it started";
}

Database open(const PrivateServer& server) { return Database({.target = ConnectionTarget::parse(server.url())}); }

}  // namespace

// Not a test of its own: what a test starts as another process, to kill it.
TEST_CASE("hold a private server until killed", "[.private-server-child]") {
  PrivateServerOptions options;
  options.data_dir = fs::path(std::getenv("CERTCTL_TEST_FOLDER")) / "data";
  options.runtime_dir = fs::path(std::getenv("CERTCTL_TEST_FOLDER")) / "run";
  options.shared_buffers = "16MB";
  PrivateServer server(options);
  server.start();
  open(server).run("CREATE TABLE kept AS SELECT 42 AS answer");
  std::ofstream(fs::path(std::getenv("CERTCTL_TEST_FOLDER")) / "up") << server.process_id();
  for (;;) ::pause();
}

TEST_CASE("a private server is made, stopped and found again with its data") {
  const Folders folders;
  {
    PrivateServer server(folders.options());
    server.start();
    CHECK(server.ready());
    auto database = open(server);
    CHECK(database.run("SELECT current_user").front().text(0) == "certctl");
    CHECK(database.run("SHOW listen_addresses").front().text(0) == "");
    CHECK(database.run("SHOW data_checksums").front().text(0) == "on");
    CHECK(database.run("SHOW shared_buffers").front().text(0) == "16MB");
    database.run("CREATE TABLE kept (a int)");
  }
  PrivateServer again(folders.options());
  again.start();
  CHECK(open(again).run("SELECT 1 FROM kept").empty());
  const pid_t process = again.process_id();
  again.stop();
  CHECK(::kill(process, 0) != 0);
  CHECK(processes_of(again.data_folder()).empty());
}

TEST_CASE("an unfinished first start is swept away") {
  const Folders folders;
  fs::create_directories(folders.options().data_dir / "pg" / ".init-broken" / "base");
  PrivateServer server(folders.options());
  server.start();
  CHECK(server.ready());
  CHECK_FALSE(fs::exists(folders.options().data_dir / "pg" / ".init-broken"));
}

TEST_CASE("a killed postmaster comes back, and says so") {
  const PreparedFolders folders;
  PrivateServerOptions options = folders.options();
  std::atomic<int> downs{0};
  std::atomic<int> readies{0};
  options.on_down = [&] { ++downs; };
  options.on_ready = [&] { ++readies; };
  PrivateServer server(options);
  server.start();
  auto database = open(server);
  database.run("CREATE TABLE kept AS SELECT 42 AS answer");

  ::kill(server.process_id(), SIGKILL);

  REQUIRE(eventually([&] { return readies == 1; }));
  CHECK(downs == 1);
  CHECK(server.ready());
  CHECK(database.run("SELECT answer FROM kept").front().integer(0) == 42);
}

TEST_CASE("a server that is alive is adopted") {
  const PreparedFolders folders;
  PrivateServer first(folders.options());
  first.start();
  PrivateServer second(folders.options());
  second.start();
  CHECK(second.process_id() == first.process_id());
  second.stop();
  CHECK(eventually([&] { return !first.ready(); }));
}

TEST_CASE("after this process was killed, the next start finds the data") {
  const PreparedFolders folders;
  const pid_t holder = spawn({.arguments = {fs::read_symlink("/proc/self/exe"), "[.private-server-child]"},
                              .environment = {"CERTCTL_TEST_FOLDER=" + folders.root().string()},
                              .death_signal = SIGKILL});
  REQUIRE(eventually([&] { return fs::exists(folders.root() / "up") && fs::file_size(folders.root() / "up") > 0; }));
  ::kill(holder, SIGKILL);
  PrivateServer server(folders.options());
  server.start();
  CHECK(open(server).run("SELECT answer FROM kept").front().integer(0) == 42);
}

TEST_CASE("a stale process number that belongs to somebody else does not keep the server from starting") {
  const PreparedFolders folders;
  fs::path data;
  {
    PrivateServer server(folders.options());
    server.start();
    data = server.data_folder();
  }
  std::ofstream(data / "postmaster.pid") << ::getppid() << "\n" << data.string() << "\n1\n5432\n\n\n";
  PrivateServer server(folders.options());
  server.start();
  CHECK(server.ready());
}

TEST_CASE("damaged data is not restarted again and again") {
  const PreparedFolders folders;
  std::atomic<bool> failed{false};
  PrivateServerOptions options = folders.options();
  options.on_failed = [&](const std::string&) { failed = true; };
  PrivateServer server(options);
  server.start();
  fs::remove(server.data_folder() / "global" / "pg_control");
  ::kill(server.process_id(), SIGKILL);
  CHECK(eventually([&] { return failed.load(); }));
  CHECK_FALSE(server.ready());
}

TEST_CASE("a folder that the account cannot reach is named with the remedy") {
  if (::geteuid() != 0) {
    WARN("as an ordinary user PostgreSQL runs as ourselves, who can reach our own folders");
    return;
  }
  const Folders folders;
  ::chmod(folders.root().c_str(), 0700);
  PrivateServer server(folders.options());
  const std::string message = message_of(server);
  CHECK(message.find("cannot enter " + folders.root().string()) != std::string::npos);
  CHECK(message.find("chmod o+x") != std::string::npos);
}

TEST_CASE("a cluster whose programs are missing names the package") {
  const Folders folders;
  const fs::path cluster = folders.options().data_dir / "pg" / "14";
  fs::create_directories(cluster);
  std::ofstream(cluster / "PG_VERSION") << "14\n";
  PrivateServer server(folders.options());
  CHECK(message_of(server).find("install the package postgresql-14") != std::string::npos);
}

TEST_CASE("a socket path that is too long is refused") {
  const Folders folders;
  PrivateServerOptions options = folders.options();
  options.runtime_dir = folders.root() / std::string(100, 'x');
  PrivateServer server(options);
  CHECK(message_of(server).find("too long for a unix socket") != std::string::npos);
}
