#include "core/db/connection.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "core/base/text.hpp"

namespace certctl::db {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// What a server may take beyond its own statement timeout before it counts as gone.
constexpr milliseconds kGrace = std::chrono::seconds(5);
/// Dynamic filters make many texts; the server keeps a plan for each.
constexpr std::size_t kMostPrepared = 400;

std::string_view field(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text ? std::string_view(text) : std::string_view();
}

bool is_fatal(const PGresult* result) {
  const std::string_view severity = field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  return severity == "FATAL" || severity == "PANIC";
}

SqlError::Report report_of(const PGresult* result) {
  return {std::string(field(result, PG_DIAG_SQLSTATE)), std::string(field(result, PG_DIAG_MESSAGE_PRIMARY)),
          std::string(field(result, PG_DIAG_CONSTRAINT_NAME)), std::string(field(result, PG_DIAG_TABLE_NAME)),
          std::string(field(result, PG_DIAG_COLUMN_NAME))};
}

bool ends_session(std::string_view sqlstate) {
  return sqlstate.starts_with("08") || sqlstate == "57P01" || sqlstate == "57P02" || sqlstate == "57P03";
}

/// Session settings that reading results and waiting rely on.
std::string session_options(const ConnectionTarget& target, const ConnectionSettings& settings) {
  const std::string options = fmt::format(
      "-c timezone=UTC -c datestyle=ISO -c bytea_output=hex -c client_encoding=UTF8 "
      "-c statement_timeout={} -c idle_in_transaction_session_timeout=60000",
      settings.statement_timeout.count());
  // Later ones win: what the URL asks for stays.
  std::string_view given = target.keyword("options");
  if (const char* environment = std::getenv("PGOPTIONS"); given.empty() && environment) given = environment;
  return given.empty() ? options : fmt::format("{} {}", options, given);
}

}  // namespace

/// What the server will answer, in order: for each text either a preparation or an execution.
struct Connection::Expected {
  const Statement* statement;
  std::string name;
  bool is_prepare;
};

struct Connection::Failure {
  SqlError::Report report;
  bool fatal;  ///< the server ended the session with it
};

void Connection::Close::operator()(pg_conn* connection) const { PQfinish(connection); }

Connection::Connection(const ConnectionTarget& target, const ConnectionSettings& settings)
    : timeout_(settings.statement_timeout) {
  const std::string options = session_options(target, settings);
  std::string password;
  const Secret* secret = target.password().empty() ? settings.password : &target.password();
  if (secret) secret->use([&](std::string_view text) { password = text; });

  std::vector<const char*> names;
  std::vector<const char*> values;
  const auto add = [&](const char* name, const char* value) {
    names.push_back(name);
    values.push_back(value);
  };
  // Ours first: libpq takes the last of equal keywords.
  add("application_name", settings.application_name.c_str());
  add("connect_timeout", "5");
  add("keepalives_idle", "30");
  add("tcp_user_timeout", "15000");
  for (const auto& [name, value] : target.keywords())
    if (name != "options") add(name.c_str(), value.c_str());
  add("options", options.c_str());
  if (!password.empty()) add("password", password.c_str());
  add(nullptr, nullptr);

  handle_.reset(PQconnectdbParams(names.data(), values.data(), 0));
  wipe(password);
  if (!handle_) throw ConnectionLost("out of memory while connecting to the database", "08000", true);
  if (PQstatus(handle_.get()) != CONNECTION_OK)
    throw ConnectionLost(fmt::format("cannot connect to the database ({}): {}", target.describe(),
                                     printable(trim(PQerrorMessage(handle_.get())))),
                         "08001", true);
  if (settings.require_tls && target.is_tcp() && !PQsslInUse(handle_.get()))
    throw ConnectionLost("the database connection does not use TLS, which is required", "08001", true);

  PQsetnonblocking(handle_.get(), 1);
  PQsetNoticeReceiver(
      handle_.get(),
      [](void* self, const PGresult* notice) {
        if (field(notice, PG_DIAG_SQLSTATE) == "57P01") static_cast<Connection*>(self)->commit_in_doubt_ = true;
      },
      this);
}

Connection::~Connection() = default;

std::vector<Result> Connection::exchange(std::span<const Statement> statements) {
  if (broken_) lost("the database connection is closed");
  forget_statements_when_full();
  if (!PQenterPipelineMode(handle_.get())) lost("the database connection is busy");
  const std::vector<Expected> expected = send(statements);
  return receive(expected);
}

std::vector<Connection::Expected> Connection::send(std::span<const Statement> statements) {
  std::vector<Expected> expected;
  std::unordered_map<std::string_view, std::string> fresh;  // prepared earlier in this same exchange
  for (const Statement& one : statements) {
    std::string name;
    if (const auto known = prepared_.find(one.sql); known != prepared_.end())
      name = known->second;
    else if (const auto just = fresh.find(one.sql); just != fresh.end())
      name = just->second;
    if (name.empty()) {
      name = fmt::format("s{}", next_name_++);
      if (!PQsendPrepare(handle_.get(), name.c_str(), one.sql.c_str(), int(one.params.size()), nullptr))
        lost("a statement could not be sent");
      fresh.emplace(one.sql, name);
      expected.push_back({&one, name, true});
    }

    std::vector<const char*> values;
    std::vector<int> lengths;
    std::vector<int> formats;
    for (const Param& param : one.params) {
      values.push_back(param.is_null() ? nullptr : param.value().c_str());
      lengths.push_back(int(param.value().size()));
      formats.push_back(param.is_binary() ? 1 : 0);
    }
    if (!PQsendQueryPrepared(handle_.get(), name.c_str(), int(values.size()), values.data(), lengths.data(),
                             formats.data(), 0))
      lost("a statement could not be sent");
    expected.push_back({&one, name, false});
  }
  if (!PQpipelineSync(handle_.get())) lost("a statement could not be sent");
  return expected;
}

std::vector<Result> Connection::receive(const std::vector<Expected>& expected) {
  std::vector<Result> results;
  std::optional<Failure> failure;
  const Deadline until = deadline();
  std::size_t next = 0;
  // Between two results the driver answers NULL: the sync ends the exchange, not a count of NULLs.
  for (;;) {
    wait_for_result(until);
    PGresult* result = PQgetResult(handle_.get());
    if (!result) {
      if (PQstatus(handle_.get()) != CONNECTION_BAD) continue;
      if (failure) fail(std::move(*failure));
      lost("the database connection was lost");
    }
    const ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_PIPELINE_SYNC) {
      PQclear(result);
      break;
    }
    const Expected* one = next < expected.size() ? &expected[next++] : nullptr;
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
      if (one && one->is_prepare) {
        prepared_.emplace(one->statement->sql, one->name);
        PQclear(result);
      } else {
        results.push_back(Result::adopt(result));
      }
      continue;
    }
    if (status == PGRES_FATAL_ERROR && !failure) failure = Failure{report_of(result), is_fatal(result)};
    PQclear(result);
    if (PQstatus(handle_.get()) == CONNECTION_BAD && failure) fail(std::move(*failure));
  }
  PQexitPipelineMode(handle_.get());
  if (failure) fail(std::move(*failure));
  return results;
}

void Connection::execute(const std::string& sql) {
  if (broken_) lost("the database connection is closed");
  if (!PQsendQuery(handle_.get(), sql.c_str())) lost("a statement could not be sent");
  std::optional<Failure> failure;
  const Deadline until = deadline();
  for (;;) {
    wait_for_result(until);
    PGresult* result = PQgetResult(handle_.get());
    if (!result) break;
    if (PQresultStatus(result) == PGRES_FATAL_ERROR && !failure) failure = Failure{report_of(result), is_fatal(result)};
    PQclear(result);
  }
  if (failure) fail(std::move(*failure));
  if (PQstatus(handle_.get()) == CONNECTION_BAD) lost("the database connection was lost");
}

void Connection::fail(Failure failure) {
  SqlError::Report& report = failure.report;
  // The driver's own reports carry no SQLSTATE.
  if (report.sqlstate.empty())
    lost(printable(trim(report.message.empty() ? "the database connection was lost" : report.message)));
  // After a fail-over the old primary may be a standby, which is as good as lost.
  const char* standby = PQparameterStatus(handle_.get(), "in_hot_standby");
  const bool became_standby = report.sqlstate == "25006" && standby && std::string_view(standby) == "on";
  if (failure.fatal || became_standby || ends_session(report.sqlstate)) {
    broken_ = true;
    throw ConnectionLost(fmt::format("the database ended the session: {}", report.message), report.sqlstate,
                         !commit_in_doubt_);
  }
  if (report.sqlstate == "26000" || report.sqlstate == "0A000") prepared_.clear();
  raise(std::move(report));
}

void Connection::lost(std::string_view fallback) {
  broken_ = true;
  throw ConnectionLost(std::string(fallback), "08006", false);
}

/// Waits until PQgetResult() will not block, writing meanwhile: else both sides could fill their buffers and stand
/// still.
void Connection::wait_for_result(Deadline until) {
  for (;;) {
    const int unsent = PQflush(handle_.get());
    if (unsent < 0 && PQstatus(handle_.get()) == CONNECTION_BAD && PQisBusy(handle_.get()) == 0) return;
    if (unsent == 0 && PQisBusy(handle_.get()) == 0) return;
    pollfd ready{PQsocket(handle_.get()), short(POLLIN | (unsent > 0 ? POLLOUT : 0)), 0};
    int wait = -1;
    if (until != Deadline::max()) {
      const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now());
      if (left.count() <= 0) lost("the database did not answer in time");
      wait = int(std::min<std::int64_t>(left.count(), 3'600'000));
    }
    const int count = ::poll(&ready, 1, wait);
    if (count < 0 && errno != EINTR) lost("waiting for the database failed");
    // After a failed read the driver keeps what had arrived before, such as the reason: it comes as a result.
    if (count > 0 && !PQconsumeInput(handle_.get())) {
      if (PQisBusy(handle_.get()) == 0) return;
      lost("the database connection was lost");
    }
  }
}

Result Connection::run_within(milliseconds timeout, std::string_view sql) {
  sharp_deadline_ = steady_clock::now() + timeout;
  Result result = run(sql);
  sharp_deadline_.reset();
  return result;
}

Connection::Deadline Connection::deadline() const {
  if (sharp_deadline_) return *sharp_deadline_;
  return timeout_.count() == 0 ? Deadline::max() : steady_clock::now() + timeout_ + kGrace;
}

void Connection::forget_statements_when_full() {
  if (prepared_.size() < kMostPrepared || PQtransactionStatus(handle_.get()) == PQTRANS_INERROR) return;
  prepared_.clear();
  execute("DEALLOCATE ALL");
}

bool Connection::is_alive() {
  if (broken_ || PQstatus(handle_.get()) != CONNECTION_OK) return false;
  pollfd ready{PQsocket(handle_.get()), POLLIN, 0};
  if (::poll(&ready, 1, 0) == 0) return true;
  // Something came unasked: a parameter's change, or the server's farewell.
  if (!PQconsumeInput(handle_.get()) || PQstatus(handle_.get()) != CONNECTION_OK) return false;
  pollfd closed{PQsocket(handle_.get()), POLLIN | POLLRDHUP, 0};
  return ::poll(&closed, 1, 0) == 0;
}

bool Connection::in_transaction() const { return PQtransactionStatus(handle_.get()) != PQTRANS_IDLE; }

int Connection::descriptor() const { return PQsocket(handle_.get()); }

int Connection::backend_pid() const { return PQbackendPID(handle_.get()); }

int Connection::server_version() const { return PQserverVersion(handle_.get()); }

std::vector<Notification> Connection::notifications() {
  if (broken_ || !PQconsumeInput(handle_.get())) lost("the database connection was lost");
  std::vector<Notification> out;
  while (PGnotify* notification = PQnotifies(handle_.get())) {
    out.push_back({notification->relname, notification->extra});
    PQfreemem(notification);
  }
  return out;
}

}  // namespace certctl::db
