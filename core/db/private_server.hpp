#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/db/connection_target.hpp"

namespace certctl::db {

struct PrivateServerOptions {
  std::filesystem::path data_dir;     ///< the cluster is `<data_dir>/pg/<major>`
  std::filesystem::path runtime_dir;  ///< the socket is `<runtime_dir>/pg/.s.PGSQL.5432`; ≤ 80 bytes
  std::filesystem::path bindir;       ///< empty: `/usr/lib/postgresql/<major>/bin` that fits the data
  /// Account that runs PostgreSQL; needed as root only (PostgreSQL refuses uid 0). Empty: the owner of `<data_dir>/pg`,
  /// else the first of `certctl`, `postgres`, `nobody`.
  std::string account;
  /// More operating-system accounts that may log in as role `certctl`, besides `account` and our own.
  std::vector<std::string> client_accounts;
  std::string shared_buffers = "128MB";
  int max_connections = 35;
  std::map<std::string, std::string> extra;                            ///< further settings; win over ours
  std::chrono::milliseconds start_timeout = std::chrono::seconds(60);  ///< extended while recovery makes progress

  /// Called from the supervisor's thread: be short.
  std::function<void()> on_ready;                            ///< after each start but the first
  std::function<void()> on_down;                             ///< PostgreSQL ended without being told to
  std::function<void(const std::string& reason)> on_failed;  ///< given up: five ends in ten minutes, or damaged data
};

/// An own PostgreSQL for this process: made when missing, started, watched, restarted, stopped.
///
/// Unix socket only; peer authentication; settings in `certctl.conf`, rewritten at each start. A server of ours that is
/// still alive after a crash of this process is adopted; recovery after a crash is PostgreSQL's own.
class PrivateServer {
 public:
  explicit PrivateServer(PrivateServerOptions options);
  ~PrivateServer();  ///< stop()
  PrivateServer(const PrivateServer&) = delete;
  PrivateServer& operator=(const PrivateServer&) = delete;

  /// Returns when the database `certctl` takes connections. Throws Error(invalid) for what an operator must mend (no
  /// programs, a folder that the account cannot reach), Error(unavailable) when it does not come up.
  void start();

  /// Fast shutdown: SIGINT, after 30 s SIGQUIT. Idempotent.
  void stop();

  bool ready() const;
  /// Process id of the postmaster; 0: none.
  int process_id() const;
  std::filesystem::path data_folder() const;
  /// For ConnectionTarget::parse().
  std::string url() const;

 private:
  struct Supervisor;
  std::unique_ptr<Supervisor> supervisor_;
};

}  // namespace certctl::db
