#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/db/connection_target.hpp"
#include "core/db/error.hpp"
#include "core/db/param.hpp"
#include "core/db/result.hpp"

struct pg_conn;

namespace certctl::db {

struct ConnectionSettings {
  std::string application_name = "certctl";
  std::chrono::milliseconds statement_timeout = std::chrono::seconds(30);  ///< zero: none
  const Secret* password = nullptr;                                        ///< used when the target has none
  bool require_tls = false;
};

struct Notification {
  std::string channel;
  std::string payload;
};

/// One session. Not thread-safe. After ConnectionLost it is of no further use.
///
/// Every exchange is a pipeline of its own with one sync: a batch costs one round trip, preparing included. Nothing
/// waits longer than the statement timeout and some seconds, even on a server that has stopped answering.
class Connection {
 public:
  /// Throws ConnectionLost; the reason is libpq's, without the password.
  Connection(const ConnectionTarget& target, const ConnectionSettings& settings);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  template <typename... Args>
  Result run(std::string_view sql, const Args&... args) {
    const Statement one = statement(sql, args...);
    return std::move(exchange({&one, 1}).front());
  }
  /// Gives up at `timeout` sharp, whatever the server does; meant for health checks.
  Result run_within(std::chrono::milliseconds timeout, std::string_view sql);
  /// Throws the first failure, after having read all answers.
  std::vector<Result> exchange(std::span<const Statement> statements);
  /// Several statements in one text, unprepared, as one implicit transaction.
  void execute(const std::string& sql);

  /// Looks, without waiting, whether the server has closed the session.
  bool is_alive();
  bool in_transaction() const;
  bool is_broken() const { return broken_; }
  void set_statement_timeout(std::chrono::milliseconds timeout) { timeout_ = timeout; }
  std::chrono::milliseconds statement_timeout() const { return timeout_; }

  int descriptor() const;
  int backend_pid() const;
  int server_version() const;  ///< 150008 is 15.8
  /// What has arrived, without waiting. Throws ConnectionLost.
  std::vector<Notification> notifications();

 private:
  using Deadline = std::chrono::steady_clock::time_point;
  struct Expected;
  std::vector<Expected> send(std::span<const Statement> statements);
  std::vector<Result> receive(const std::vector<Expected>& expected);
  void forget_statements_when_full();
  void wait_for_result(Deadline deadline);
  Deadline deadline() const;
  [[noreturn]] void lost(std::string_view fallback);
  struct Failure;
  [[noreturn]] void fail(Failure failure);

  struct Close {
    void operator()(pg_conn* connection) const;
  };
  std::unique_ptr<pg_conn, Close> handle_;
  std::unordered_map<std::string, std::string> prepared_;  ///< statement text → name
  std::uint64_t next_name_ = 0;
  std::chrono::milliseconds timeout_;
  std::optional<Deadline> sharp_deadline_;
  bool broken_ = false;
  bool commit_in_doubt_ = false;  ///< the server warned that it committed without its replicas
};

}  // namespace certctl::db
