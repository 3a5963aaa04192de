#include "core/db/database.hpp"

#include <signal.h>
#include <catch2/catch.hpp>

#include <atomic>
#include <latch>
#include <thread>

#include "core/db/connection.hpp"
#include "test/support/postgres.hpp"
#include "test/support/postgres_gate.hpp"

using namespace certctl;
using namespace certctl::db;
using certctl::test::TestPostgres;
using namespace std::chrono_literals;

namespace {

std::string terminate_me() { return "SELECT pg_terminate_backend(pg_backend_pid())"; }

std::unique_ptr<Database> with_table() {
  auto database = std::make_unique<Database>(TestPostgres::options(TestPostgres::shared().empty_database()));
  database->run("CREATE TABLE things (id int PRIMARY KEY, n int NOT NULL DEFAULT 0)");
  database->run("INSERT INTO things VALUES (1), (2)");
  return database;
}

std::int64_t number(Database& database, std::string_view sql) { return database.run(sql).front().integer(0); }

/// Stops the server's processes for a while, as a hung machine would.
class FrozenBackend {
 public:
  explicit FrozenBackend(int process) : process_(process) { ::kill(process_, SIGSTOP); }
  ~FrozenBackend() { ::kill(process_, SIGCONT); }
  FrozenBackend(const FrozenBackend&) = delete;
  FrozenBackend& operator=(const FrozenBackend&) = delete;

 private:
  int process_;
};

}  // namespace

TEST_CASE("values survive the way to the server and back") {
  const auto database = with_table();
  const Time time = std::chrono::sys_days(std::chrono::year(2026) / 1 / 2) + 3h + 4min + 5s + 678901us;
  const Bytes bytes = {0, 1, 255, '\\', '\''};
  const std::vector<std::string> texts = {"", "a b", "q\"uote", "back\\slash", "com,ma", "NULL", "ünï"};
  const Row row =
      database
          ->run(
              "SELECT $1::text AS text, $2::bigint AS number, $3::bool AS flag, $4::float8 AS decimal,"
              " $5::timestamptz AS time, $6::bytea AS bytes, $7::text[] AS texts, $8::jsonb AS json,"
              " $9::text AS nothing, $10::timestamptz AS forever, $11::interval = interval '90 min' AS span",
              "tëxt 'x'", std::int64_t(-9000000000), true, 0.1, time, bytes, texts, json::Raw{"{\"a\": [1]}"}, nullptr,
              Time::max(), Duration(90min))
          .front();
  CHECK(row.text("text") == "tëxt 'x'");
  CHECK(row.integer("number") == -9000000000);
  CHECK(row.flag("flag"));
  CHECK(row.decimal("decimal") == 0.1);
  CHECK(row.time("time") == time);
  CHECK(row.bytes("bytes") == bytes);
  CHECK(row.texts("texts") == texts);
  CHECK(row.json("json").text == "{\"a\": [1]}");
  CHECK(row.is_null("nothing"));
  CHECK(row.text("nothing") == "");
  CHECK_FALSE(row.optional_text("nothing"));
  CHECK(row.time("forever") == Time::max());
  CHECK(row.flag("span"));
}

TEST_CASE("times before Christ and before 1970 are read") {
  const auto database = with_table();
  const Row row = database->run("SELECT '0001-01-01 00:00:00+00'::timestamptz, '0044-03-15 BC'::timestamptz").front();
  CHECK(row.time(0) == std::chrono::sys_days(std::chrono::year(1) / 1 / 1));
  CHECK(row.time(1) == std::chrono::sys_days(std::chrono::year(-43) / 3 / 15));
}

TEST_CASE("an absent optional is NULL") {
  const auto database = with_table();
  const Row row =
      database->run("SELECT $1::text, $2::text", std::optional<std::string>(), std::optional<std::string>("x")).front();
  CHECK(row.is_null(0));
  CHECK(row.text(1) == "x");
}

TEST_CASE("text with U+0000 is refused before the server sees it") {
  const auto database = with_table();
  try {
    database->run("SELECT $1::text", std::string("a\0b", 3));
    FAIL("it was accepted");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::invalid);
  }
}

TEST_CASE("a column that a result lacks is a defect") {
  const auto database = with_table();
  const Result result = database->run("SELECT 1 AS one");
  CHECK_THROWS_AS(result.front().text("two"), std::logic_error);
  CHECK_FALSE(result.column("two"));
  CHECK(result.column("one") == 0);
}

TEST_CASE("a violated constraint says which") {
  const auto database = with_table();
  database->run(
      "CREATE TABLE children (id int CONSTRAINT to_things REFERENCES things, n int CONSTRAINT small CHECK (n < 9))");
  try {
    database->run("INSERT INTO things VALUES (1)");
    FAIL("it was accepted");
  } catch (const UniqueViolation& violation) {
    CHECK(violation.constraint() == "things_pkey");
    CHECK(violation.kind() == ErrorKind::internal);
  }
  try {
    database->run("INSERT INTO children VALUES (7, 1)");
    FAIL("it was accepted");
  } catch (const ForeignKeyViolation& violation) {
    CHECK(violation.constraint() == "to_things");
  }
  try {
    database->run("INSERT INTO children VALUES (1, 10)");
    FAIL("it was accepted");
  } catch (const CheckViolation& violation) {
    CHECK(violation.constraint() == "small");
  }
}

TEST_CASE("a transaction keeps all or nothing") {
  const auto database = with_table();
  CHECK_THROWS_AS(database->transaction([](Transaction& transaction) {
    transaction.run("INSERT INTO things VALUES (3)");
    throw conflict("no");
  }),
                  Error);
  CHECK(number(*database, "SELECT count(*) FROM things") == 2);
  const std::int64_t value = database->transaction([](Transaction& transaction) {
    transaction.run("INSERT INTO things VALUES (3)");
    return transaction.run("SELECT count(*) FROM things").front().integer(0);
  });
  CHECK(value == 3);
  CHECK(number(*database, "SELECT count(*) FROM things") == 3);
}

TEST_CASE("a transaction that goes on after a failed statement does not commit silently") {
  const auto database = with_table();
  CHECK_THROWS_AS(database->transaction([](Transaction& transaction) {
    transaction.run("INSERT INTO things VALUES (3)");
    try {
      transaction.run("INSERT INTO things VALUES (3)");
    } catch (const UniqueViolation&) {
    }
  }),
                  Error);
  CHECK(number(*database, "SELECT count(*) FROM things") == 2);
}

TEST_CASE("a batch is one round trip with a result for each statement") {
  const auto database = with_table();
  const std::vector<Result> results = database->transaction([](Transaction& transaction) {
    return transaction.batch({statement("INSERT INTO things VALUES ($1)", 3),
                              statement("INSERT INTO things VALUES ($1)", 4),
                              statement("SELECT count(*) AS n FROM things")});
  });
  REQUIRE(results.size() == 3);
  CHECK(results[0].affected() == 1);
  CHECK(results[2].front().integer("n") == 4);
}

TEST_CASE("an error in the middle of a batch undoes all of it and leaves the connection usable") {
  const auto database = with_table();
  CHECK_THROWS_AS(database->transaction([](Transaction& transaction) {
    transaction.batch({statement("INSERT INTO things VALUES (3)"), statement("INSERT INTO things VALUES (1)"),
                       statement("INSERT INTO things VALUES (4)")});
  }),
                  UniqueViolation);
  CHECK(number(*database, "SELECT count(*) FROM things") == 2);
  CHECK(database->statistics().connects == 1);
}

TEST_CASE("a batch larger than all buffers does not stand still") {
  const auto database = with_table();
  const std::string large(100000, 'x');
  std::vector<Statement> statements;
  for (int i = 0; i < 100; ++i) statements.push_back(statement("SELECT $1::text || $2::text", large, i));
  const std::vector<Result> results =
      database->transaction([&](Transaction& transaction) { return transaction.batch(statements); });
  CHECK(results.back().front().text(0).size() == large.size() + 2);
}

TEST_CASE("a deadlock is resolved by running the loser again") {
  const auto database = with_table();
  std::latch both_hold_one(2);
  std::array<std::atomic<int>, 2> runs{};
  const auto swap = [&](int first, int second, std::size_t who) {
    database->transaction([&](Transaction& transaction) {
      transaction.run("UPDATE things SET n = n + 1 WHERE id = $1", first);
      if (runs[who]++ == 0) both_hold_one.arrive_and_wait();
      transaction.run("UPDATE things SET n = n + 1 WHERE id = $1", second);
    });
  };
  std::thread other([&] { swap(2, 1, 1); });
  swap(1, 2, 0);
  other.join();
  CHECK(runs[0] + runs[1] == 3);
  CHECK(number(*database, "SELECT sum(n) FROM things") == 4);
  CHECK(database->statistics().retries == 1);
}

TEST_CASE("a serialization failure is resolved by running the loser again") {
  const auto database = with_table();
  int runs = 0;
  database->transaction([&](Transaction& transaction) {
    transaction.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    const std::int64_t n = transaction.run("SELECT n FROM things WHERE id = 1").front().integer(0);
    if (++runs == 1) database->run("UPDATE things SET n = 10 WHERE id = 1");
    transaction.run("UPDATE things SET n = $1 WHERE id = 1", n + 1);
  });
  CHECK(runs == 2);
  CHECK(number(*database, "SELECT n FROM things WHERE id = 1") == 11);
}

TEST_CASE("a transaction whose connection is killed in the middle is run again, once in effect") {
  const auto database = with_table();
  int runs = 0;
  database->transaction([&](Transaction& transaction) {
    transaction.run("UPDATE things SET n = n + 1 WHERE id = 1");
    if (++runs == 1) transaction.run(terminate_me());
  });
  CHECK(runs == 2);
  CHECK(number(*database, "SELECT n FROM things WHERE id = 1") == 1);
  CHECK(database->losses() == 1);
}

TEST_CASE("a transaction that always loses its connection fails after five attempts as unavailable") {
  const auto database = with_table();
  int runs = 0;
  try {
    database->transaction([&](Transaction& transaction) {
      ++runs;
      transaction.run(terminate_me());
    });
    FAIL("it committed");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::unavailable);
    CHECK(error.retry_after());
  }
  CHECK(runs == 5);
}

TEST_CASE("idle connections that the server has closed are replaced unnoticed") {
  const auto database = with_table();
  database->run("SELECT 1");
  const auto killer = database->connect("killer", 5s);
  killer->run(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
      " WHERE datname = current_database() AND pid <> pg_backend_pid()");
  CHECK_NOTHROW(database->run("UPDATE things SET n = 5"));
  CHECK(number(*database, "SELECT n FROM things WHERE id = 1") == 5);
}

namespace {

/// A deferred trigger that ends the session inside COMMIT: the client gets no answer to it.
void kill_on_commit(Database& database, std::string_view when) {
  database.run(
      "CREATE FUNCTION kill_me() RETURNS trigger LANGUAGE plpgsql AS"
      " 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); RETURN NULL; END'");
  database.run(
      "CREATE CONSTRAINT TRIGGER kill_on_commit AFTER UPDATE ON things DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
      " WHEN (NEW.n = " +
      std::string(when) + ") EXECUTE FUNCTION kill_me()");
}

}  // namespace

TEST_CASE("a session that the server ends before COMMIT took effect is run again") {
  const auto database = with_table();
  kill_on_commit(*database, "1");
  int runs = 0;
  database->transaction([&](Transaction& transaction) {
    // The second run takes another value, which the trigger lets pass.
    transaction.run("UPDATE things SET n = $1 WHERE id = 1", ++runs);
  });
  CHECK(runs == 2);
  CHECK(number(*database, "SELECT n FROM things WHERE id = 1") == 2);
}

namespace {

/// The same database, through a gate that can lose a COMMIT or the answer to it.
struct Gated {
  Gated() : url(TestPostgres::shared().empty_database()), gate(TestPostgres::shared().socket_folder()) {
    Database(TestPostgres::options(url)).run("CREATE TABLE things AS SELECT 1 AS id, 0 AS n");
    std::string through = url;
    const std::string folder = TestPostgres::shared().socket_folder();
    through.replace(through.find(folder), folder.size(), gate.folder());
    database = std::make_unique<Database>(TestPostgres::options(through));
  }
  std::int64_t n() { return number(*database, "SELECT n FROM things"); }

  std::string url;
  test::PostgresGate gate;
  std::unique_ptr<Database> database;
};

}  // namespace

TEST_CASE("a lost answer to COMMIT is not repeated blindly") {
  Gated gated;
  int runs = 0;
  CHECK_THROWS_AS(gated.database->transaction([&](Transaction& transaction) {
    ++runs;
    transaction.run("UPDATE things SET n = n + 1");
    gated.gate.lose_next_answer();
  }),
                  CommitUnknown);
  CHECK(runs == 1);
  CHECK(gated.n() == 1);
}

TEST_CASE("a lost answer to COMMIT is settled by the caller's own look") {
  Gated gated;
  int runs = 0;
  TransactionOptions options;
  options.settle = [](Database& again) { return number(again, "SELECT n FROM things") == 1; };
  const int value = gated.database->transaction(options, [&](Transaction& transaction) {
    transaction.run("UPDATE things SET n = n + 1");
    gated.gate.lose_next_answer();
    return ++runs;
  });
  CHECK(value == 1);
  CHECK(gated.n() == 1);
}

TEST_CASE("a COMMIT that never arrived is run again when the caller's look says so") {
  Gated gated;
  int runs = 0;
  TransactionOptions options;
  options.settle = [](Database& again) { return number(again, "SELECT n FROM things") == 1; };
  gated.database->transaction(options, [&](Transaction& transaction) {
    transaction.run("UPDATE things SET n = n + 1");
    if (++runs == 1) gated.gate.lose_next_request();
  });
  CHECK(runs == 2);
  CHECK(gated.n() == 1);
}

TEST_CASE("a reading transaction whose COMMIT is lost is simply run again") {
  Gated gated;
  int runs = 0;
  TransactionOptions options;
  options.read_only = true;
  gated.database->transaction(options, [&](Transaction& transaction) {
    transaction.run("SELECT n FROM things");
    if (++runs == 1) gated.gate.lose_next_answer();
  });
  CHECK(runs == 2);
}

TEST_CASE("a lost answer to a single statement is repeated only when it reads") {
  Gated gated;
  gated.n();
  gated.gate.lose_next_answer();
  CHECK(gated.n() == 0);
  gated.gate.lose_next_answer();
  CHECK_THROWS_AS(gated.database->run("UPDATE things SET n = n + 1"), CommitUnknown);
  CHECK(gated.n() == 1);
}

TEST_CASE("a schema change under prepared statements is unnoticed") {
  const auto database = with_table();
  for (int i = 0; i < 3; ++i) database->run("SELECT * FROM things");
  database->run("ALTER TABLE things ADD COLUMN extra text DEFAULT 'x'");
  CHECK(database->run("SELECT * FROM things").front().text("extra") == "x");
  database->run("ALTER TABLE things DROP COLUMN extra");
  const int columns = database->transaction(
      [](Transaction& transaction) { return transaction.run("SELECT * FROM things").column("extra") ? 3 : 2; });
  CHECK(columns == 2);
}

TEST_CASE("more different statements than are kept prepared go on working") {
  const auto database = with_table();
  for (int i = 0; i < 900; ++i)
    REQUIRE(database->run("SELECT " + std::to_string(i) + " + $1::int", 1).front().integer(0) == i + 1);
  CHECK(number(*database, "SELECT count(*) FROM pg_prepared_statements") <= 400);
}

TEST_CASE("a pool that is used up answers unavailable in time") {
  DatabaseOptions options = TestPostgres::options(TestPostgres::shared().empty_database());
  options.max_connections = 5;
  options.acquire_timeout = 2s;  // enough for the holders to connect on a busy machine
  Database database(std::move(options));
  std::latch taken(3);
  std::latch release(1);
  std::vector<std::thread> holders;
  for (int i = 0; i < 2; ++i)
    holders.emplace_back([&] {
      database.transaction([&](Transaction& transaction) {
        transaction.run("SELECT 1");
        taken.count_down();
        release.wait();
      });
    });
  taken.arrive_and_wait();
  try {
    database.run("SELECT 1");
    FAIL("there was a connection");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::unavailable);
  }
  CHECK(database.statistics().in_use == 2);
  CHECK(database.statistics().timeouts == 1);
  release.count_down();
  for (std::thread& holder : holders) holder.join();
  CHECK(database.statistics().in_use == 0);
}

TEST_CASE("health checks find a connection also when requests have taken theirs") {
  DatabaseOptions options = TestPostgres::options(TestPostgres::shared().empty_database());
  options.max_connections = 11;  // 8 in the pool, 2 of them reserved
  options.acquire_timeout = 2s;
  Database database(std::move(options));
  std::latch taken(7);
  std::latch release(1);
  std::vector<std::thread> holders;
  for (int i = 0; i < 6; ++i)
    holders.emplace_back([&] {
      database.transaction([&](Transaction& transaction) {
        transaction.run("SELECT 1");
        taken.count_down();
        release.wait();
      });
    });
  taken.arrive_and_wait();
  const bool ordinary = [&] {
    try {
      database.run("SELECT 1");
      return true;
    } catch (const Error&) {
      return false;
    }
  }();
  const bool health = database.ping(2s);
  release.count_down();
  for (std::thread& holder : holders) holder.join();
  CHECK_FALSE(ordinary);
  CHECK(health);
}

TEST_CASE("idle connections are closed down to two") {
  DatabaseOptions options = TestPostgres::options(TestPostgres::shared().empty_database());
  options.idle_timeout = 100ms;
  Database database(std::move(options));
  std::latch together(5);
  std::vector<std::thread> users;
  for (int i = 0; i < 5; ++i)
    users.emplace_back([&] {
      database.transaction([&](Transaction& transaction) {
        transaction.run("SELECT 1");
        together.arrive_and_wait();
      });
    });
  for (std::thread& user : users) user.join();
  const auto until = std::chrono::steady_clock::now() + 10s;
  while (database.statistics().open > 2 && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(10ms);
  CHECK(database.statistics().open == 2);
}

TEST_CASE("connections do not outlive their lifetime") {
  DatabaseOptions options = TestPostgres::options(TestPostgres::shared().empty_database());
  options.lifetime = 50ms;
  Database database(std::move(options));
  const std::int64_t first = number(database, "SELECT pg_backend_pid()");
  std::this_thread::sleep_for(80ms);
  CHECK(number(database, "SELECT pg_backend_pid()") != first);
}

TEST_CASE("a server that does not answer makes ping false in time") {
  const auto database = with_table();
  CHECK(database->ping(2s));
  const FrozenBackend frozen(int(number(*database, "SELECT pg_backend_pid()")));
  CHECK_FALSE(database->ping(200ms));
}

TEST_CASE("a database that is away is unavailable, with a time to come back") {
  DatabaseOptions options = TestPostgres::options("host=/nonexistent user=nobody dbname=none");
  options.acquire_timeout = 150ms;
  Database database(std::move(options));
  try {
    database.run("SELECT 1");
    FAIL("it answered");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::unavailable);
    CHECK(error.retry_after());
  }
  CHECK_FALSE(database.ping(50ms));
}

TEST_CASE("a closed database refuses at once, also those who wait") {
  DatabaseOptions options = TestPostgres::options("host=/nonexistent user=nobody dbname=none");
  options.acquire_timeout = 1h;
  Database database(std::move(options));
  std::thread waiter([&] {
    try {
      database.run("SELECT 1");
    } catch (const Error&) {
    }
  });
  while (database.statistics().waiting == 0) std::this_thread::yield();
  database.close();
  waiter.join();
  CHECK_THROWS_AS(database.run("SELECT 1"), Error);
}

TEST_CASE("the password is asked for at each new connection") {
  int asked = 0;
  DatabaseOptions options = TestPostgres::options(TestPostgres::shared().empty_database());
  options.password = [&] {
    ++asked;
    return Secret(std::string("unused with trust"));
  };
  Database database(std::move(options));
  database.run("SELECT 1");
  CHECK(asked == 1);
}

TEST_CASE("a statement timeout of a transaction holds for it alone") {
  const auto database = with_table();
  TransactionOptions options;
  options.statement_timeout = 100ms;
  try {
    database->transaction(options, [](Transaction& transaction) { transaction.run("SELECT pg_sleep(5)"); });
    FAIL("it was not cancelled");
  } catch (const SqlError& error) {
    CHECK(error.sqlstate() == "57014");
    CHECK(error.kind() == ErrorKind::unavailable);
  }
  CHECK(database->run("SHOW statement_timeout").front().text(0) == "30s");
}

TEST_CASE("what the URL sets for the session holds, and results are read in spite of it") {
  const std::string url = TestPostgres::shared().empty_database();
  Database database(TestPostgres::options(url + " options='-c work_mem=7MB'"));
  CHECK(database.run("SHOW work_mem").front().text(0) == "7MB");
  CHECK(database.run("SHOW timezone").front().text(0) == "UTC");
}

TEST_CASE("a plain PostgreSQL can do everything, and what is switched off stays off") {
  DatabaseOptions options = TestPostgres::options(TestPostgres::shared().empty_database());
  options.capabilities_off = {"advisory", "trgm"};
  Database database(std::move(options));
  database.probe();
  CHECK(database.capabilities().missing() == std::vector<std::string>{"advisory", "trgm"});
  CHECK(database.run("SELECT 1 FROM pg_class WHERE relname LIKE 'certctl_probe%'").empty());
}

TEST_CASE("an unknown capability in the setting is refused") {
  DatabaseOptions options = TestPostgres::options(TestPostgres::shared().empty_database());
  options.capabilities_off = {"teleport"};
  Database database(std::move(options));
  CHECK_THROWS_AS(database.probe(), Error);
}

TEST_CASE("many threads share a few connections without losing an update") {
  DatabaseOptions options = TestPostgres::options(TestPostgres::shared().empty_database());
  options.max_connections = 7;
  options.acquire_timeout = 60s;
  Database database(std::move(options));
  database.run("CREATE TABLE counter AS SELECT 0 AS n");
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      for (int j = 0; j < 25; ++j)
        database.transaction([](Transaction& transaction) { transaction.run("UPDATE counter SET n = n + 1"); });
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(number(database, "SELECT n FROM counter") == 200);
  CHECK(database.statistics().open <= 4);
}
