#include "test/support/postgres.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "core/base/error.hpp"
#include "core/db/connection.hpp"
#include "core/db/migrator.hpp"
#include "core/db/process.hpp"

namespace certctl::test {
namespace {

namespace fs = std::filesystem;

fs::path programs() {
  for (int major = 18; major >= 13; --major) {
    const fs::path folder = fmt::format("/usr/lib/postgresql/{}/bin", major);
    if (fs::exists(folder / "initdb")) return folder;
  }
  throw internal("the tests need PostgreSQL's server programs; install the packages of packages.txt");
}

/// PostgreSQL refuses to run as root.
std::optional<db::Account> server_account() {
  if (::geteuid() != 0) return std::nullopt;
  for (const char* name : {"postgres", "nobody"})
    if (auto account = db::find_account(name)) return account;
  throw internal("the tests run as root and need the account postgres or nobody");
}

}  // namespace

TestPostgres& TestPostgres::shared() {
  static TestPostgres instance;
  return instance;
}

TestPostgres::TestPostgres() {
  const std::optional<db::Account> account = server_account();
  std::string pattern = "/tmp/certctl-test-pg-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) throw internal("cannot make a folder below /tmp");
  folder_ = pattern;
  if (account && ::chown(folder_.c_str(), account->uid, account->gid) != 0)
    throw internal("cannot give the folder away");

  const fs::path data = folder_ / "data";
  const db::Finished made =
      db::run_to_end({.arguments = {programs() / "initdb", "-D", data, "-U", "certctl", "-E", "UTF8",
                                    "--locale=C.UTF-8", "--auth=trust", "--no-sync", "--no-instructions"},
                      .folder = folder_,
                      .account = account});
  if (made.status != 0) throw internal("initdb failed: " + made.output);
  std::ofstream(data / "postgresql.conf", std::ios::app)
      << "listen_addresses = ''\nfsync = off\nsynchronous_commit = off\nfull_page_writes = off\njit = off\n"
      << "max_connections = 100\nshared_buffers = 64MB\nautovacuum = off\nunix_socket_directories = '"
      << folder_.string() << "'\n";
  // The whole process ends it, were it to die before the destructor runs.
  process_ = db::spawn({.arguments = {programs() / "postgres", "-D", data},
                        .folder = folder_,
                        .account = account,
                        .own_group = true,
                        .death_signal = SIGINT});

  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  for (;;) {
    try {
      db::Connection(db::ConnectionTarget::parse(url("postgres")), {});
      break;
    } catch (const db::ConnectionLost&) {
      if (std::chrono::steady_clock::now() > until) throw;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  db::Connection(db::ConnectionTarget::parse(url("postgres")), {}).execute("CREATE DATABASE certctl_template");
  db::Database database(options(url("certctl_template")));
  db::Migrator(database).apply();
}

TestPostgres::~TestPostgres() {
  ::kill(process_, SIGQUIT);
  ::waitpid(process_, nullptr, 0);
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

std::string TestPostgres::fresh_database() { return create("TEMPLATE certctl_template"); }

std::string TestPostgres::empty_database() { return create("TEMPLATE template0"); }

std::unique_ptr<db::Database> TestPostgres::open() { return std::make_unique<db::Database>(options(fresh_database())); }

db::DatabaseOptions TestPostgres::options(const std::string& url) {
  db::DatabaseOptions options{.target = db::ConnectionTarget::parse(url)};
  options.max_connections = 15;
  return options;
}

std::string TestPostgres::create(const std::string& with) {
  const std::string name = fmt::format("test_{}", ++count_);
  db::Connection(db::ConnectionTarget::parse(url("postgres")), {})
      .execute(fmt::format("CREATE DATABASE {} {}", name, with));
  return url(name);
}

std::string TestPostgres::url(const std::string& database) const {
  return fmt::format("host={} user=certctl dbname={}", folder_.string(), database);
}

}  // namespace certctl::test
