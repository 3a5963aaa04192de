#include "core/db/capabilities.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <chrono>

#include "core/db/connection.hpp"
#include "core/db/database.hpp"

namespace certctl::db {
namespace {

using std::chrono::steady_clock;

struct Entry {
  std::string_view name;
  bool Capabilities::*member;
};
constexpr Entry kEntries[] = {{"notify", &Capabilities::notify},
                              {"advisory", &Capabilities::advisory},
                              {"skip_locked", &Capabilities::skip_locked},
                              {"unlogged", &Capabilities::unlogged},
                              {"statement_triggers", &Capabilities::statement_triggers},
                              {"partitions", &Capabilities::partitions},
                              {"trgm", &Capabilities::trgm}};

/// Runs what only an able engine accepts, and takes it back.
bool accepts(Connection& connection, const std::string& sql) {
  try {
    connection.execute("BEGIN; " + sql);
    connection.execute("ROLLBACK");
    return true;
  } catch (const SqlError&) {
    connection.execute("ROLLBACK");
    return false;
  }
}

/// Proved by a round trip: some engines take the statements and deliver nothing.
bool delivers_notifications(Database& database) {
  const auto listener = database.connect("probe", std::chrono::seconds(5));
  const auto sender = database.connect("probe", std::chrono::seconds(5));
  try {
    listener->execute("LISTEN certctl_probe");
    sender->execute("NOTIFY certctl_probe");
  } catch (const SqlError&) {
    return false;
  }
  const auto until = steady_clock::now() + std::chrono::seconds(1);
  while (steady_clock::now() < until) {
    if (!listener->notifications().empty()) return true;
    pollfd ready{listener->descriptor(), POLLIN, 0};
    ::poll(&ready, 1, 50);
  }
  return false;
}

/// Proved by a second connection: some engines answer true to everybody.
bool excludes_by_advisory_lock(Database& database) {
  constexpr std::string_view kLock = "SELECT pg_try_advisory_lock(hashtext('certctl/probe/' || pg_backend_pid()))";
  const auto first = database.connect("probe", std::chrono::seconds(5));
  const auto second = database.connect("probe", std::chrono::seconds(5));
  try {
    if (!first->run(kLock).front().flag(0)) return false;
    return !second->run("SELECT pg_try_advisory_lock(hashtext('certctl/probe/' || $1::text))", first->backend_pid())
                .front()
                .flag(0);
  } catch (const SqlError&) {
    return false;
  }
}

}  // namespace

json::Raw Capabilities::to_json() const {
  json::Writer out;
  out.begin_object();
  for (const Entry& entry : kEntries) out.field(entry.name, this->*entry.member);
  out.end_object();
  return {out.take()};
}

std::vector<std::string> Capabilities::missing() const {
  std::vector<std::string> out;
  for (const Entry& entry : kEntries)
    if (!(this->*entry.member)) out.emplace_back(entry.name);
  return out;
}

Capabilities probe_capabilities(Database& database, const std::vector<std::string>& off) {
  Capabilities found;
  for (const std::string& name : off) {
    const auto entry =
        std::find_if(std::begin(kEntries), std::end(kEntries), [&](auto& one) { return one.name == name; });
    if (entry == std::end(kEntries))
      throw invalid(fmt::format("there is no database capability `{}` to switch off", name));
    found.*entry->member = false;
  }
  const auto connection = database.connect("probe", std::chrono::seconds(10));
  const auto look = [&](bool& capability, auto&& test) {
    if (capability) capability = test();
  };
  look(found.notify, [&] { return delivers_notifications(database); });
  look(found.advisory, [&] { return excludes_by_advisory_lock(database); });
  look(found.skip_locked, [&] {
    return accepts(*connection,
                   "CREATE TEMP TABLE probe_skip (a int); SELECT a FROM probe_skip FOR UPDATE SKIP LOCKED");
  });
  look(found.unlogged, [&] { return accepts(*connection, "CREATE UNLOGGED TABLE certctl_probe_unlogged (a int)"); });
  look(found.statement_triggers, [&] {
    return accepts(
        *connection,
        "CREATE TABLE certctl_probe_triggers (a int);"
        " CREATE FUNCTION certctl_probe_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        " CREATE TRIGGER probe AFTER INSERT ON certctl_probe_triggers REFERENCING NEW TABLE AS added"
        " FOR EACH STATEMENT EXECUTE FUNCTION certctl_probe_trigger()");
  });
  look(found.partitions, [&] {
    return accepts(*connection,
                   "CREATE TABLE certctl_probe_parts (a int) PARTITION BY RANGE (a);"
                   " CREATE TABLE certctl_probe_part PARTITION OF certctl_probe_parts FOR VALUES FROM (0) TO (1)");
  });
  look(found.trgm, [&] {
    return !connection->run("SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'").empty() ||
           accepts(*connection, "CREATE EXTENSION pg_trgm");
  });
  return found;
}

}  // namespace certctl::db
