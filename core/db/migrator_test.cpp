#include "core/db/migrator.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <set>
#include <thread>

#include "core/db/connection.hpp"
#include "test/support/postgres.hpp"

using namespace certctl;
using namespace certctl::db;
using certctl::test::TestPostgres;

namespace {

std::vector<std::string> column_of(Database& database, std::string_view sql) {
  std::vector<std::string> out;
  for (const Row& row : database.run(sql)) out.push_back(row.text(0));
  return out;
}

std::string columns_of_table(Database& database, std::string_view table) {
  std::string out;
  for (const Row& row : database.run("SELECT column_name FROM information_schema.columns"
                                     " WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position",
                                     table))
    out += row.text(0) + " ";
  return out;
}

/// A database as it stands after the first file only.
std::unique_ptr<Database> upstream_database() {
  auto database = std::make_unique<Database>(TestPostgres::options(TestPostgres::shared().empty_database()));
  Migrator(*database, embedded_migrations().first(1)).apply();
  return database;
}

std::string code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  return "nothing was thrown";
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

void insert_audit_event(Database& database) {
  database.run(
      "INSERT INTO audit_events (id, actor, actor_type, action, resource_type, resource_id)"
      " VALUES ('audit-1', 'a', 'User', 'create', 'team', 't-1')");
}

}  // namespace

TEST_CASE("the first file lays the 35 tables that an existing database has") {
  const auto database = upstream_database();
  const std::vector<std::string> expected = {"acme_accounts",
                                             "acme_authorizations",
                                             "acme_challenges",
                                             "acme_nonces",
                                             "acme_orders",
                                             "agent_group_members",
                                             "agent_groups",
                                             "agents",
                                             "audit_events",
                                             "certificate_profiles",
                                             "certificate_revocations",
                                             "certificate_target_mappings",
                                             "certificate_versions",
                                             "crl_cache",
                                             "crl_generation_events",
                                             "deployment_targets",
                                             "discovered_certificates",
                                             "discovery_scans",
                                             "endpoint_health_checks",
                                             "endpoint_health_history",
                                             "intermediate_cas",
                                             "issuance_approval_requests",
                                             "issuers",
                                             "jobs",
                                             "managed_certificates",
                                             "network_scan_targets",
                                             "notification_events",
                                             "ocsp_responders",
                                             "ocsp_response_cache",
                                             "owners",
                                             "policy_rules",
                                             "policy_violations",
                                             "renewal_policies",
                                             "scep_probe_results",
                                             "teams"};
  CHECK(column_of(*database,
                  "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'"
                  " AND table_name <> 'certctl_schema_migrations' ORDER BY 1") == expected);
}

TEST_CASE("the first file lays 144 indexes, one trigger and one sequence") {
  const auto database = upstream_database();
  CHECK(database
            ->run("SELECT count(*) FROM pg_indexes WHERE schemaname = 'public'"
                  " AND tablename <> 'certctl_schema_migrations'")
            .front()
            .integer(0) == 144);
  CHECK(column_of(*database, "SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal") ==
        std::vector<std::string>{"audit_events_worm_trigger"});
  CHECK(column_of(*database, "SELECT sequencename::text FROM pg_sequences WHERE schemaname = 'public'") ==
        std::vector<std::string>{"crl_generation_events_id_seq"});
}

TEST_CASE("the first file keeps the columns in their order") {
  const auto database = upstream_database();
  CHECK(columns_of_table(*database, "managed_certificates") ==
        "id name common_name sans environment owner_id team_id issuer_id renewal_policy_id status expires_at tags "
        "last_renewal_at last_deployment_at created_at updated_at certificate_profile_id revoked_at revocation_reason "
        "source ");
  CHECK(columns_of_table(*database, "jobs") ==
        "id type certificate_id target_id agent_id status attempts max_attempts last_error deployment_result "
        "scheduled_at "
        "started_at completed_at created_at verification_status verified_at verification_fingerprint "
        "verification_error ");
  CHECK(columns_of_table(*database, "renewal_policies") ==
        "id name renewal_window_days auto_renew max_retries retry_interval_seconds alert_thresholds_days created_at "
        "updated_at certificate_profile_id agent_group_id alert_channels alert_severity_map ");
}

TEST_CASE("constraints bear the names that an existing database has") {
  const auto database = upstream_database();
  for (const char* name :
       {"teams_pkey", "teams_name_key", "owners_team_id_fkey", "certificate_profiles_acme_auth_mode_chk",
        "policy_rules_severity_check", "policy_violations_severity_check",
        "certificate_versions_fingerprint_sha256_key", "approval_state_check", "approval_decision_consistency",
        "intermediate_ca_state_check", "intermediate_ca_validity_check", "intermediate_ca_no_self_parent",
        "acme_accounts_profile_id_jwk_thumbprint_key", "managed_certificates_team_id_fkey"}) {
    INFO(name);
    CHECK(database->run("SELECT 1 FROM pg_constraint WHERE conname = $1", name).size() == 1);
  }
}

TEST_CASE("foreign keys delete as an existing database does") {
  const auto database = upstream_database();
  std::string actions;
  for (const Row& row :
       database->run("SELECT conname || ' ' || confdeltype::text FROM pg_constraint WHERE contype = 'f'"
                     " AND conrelid IN ('managed_certificates'::regclass, 'jobs'::regclass) ORDER BY 1"))
    actions += row.text(0) + "; ";
  // a: no action, c: cascade, n: set null, r: restrict
  CHECK(actions ==
        "jobs_agent_id_fkey n; jobs_certificate_id_fkey c; jobs_target_id_fkey n; "
        "managed_certificates_certificate_profile_id_fkey n; managed_certificates_issuer_id_fkey r; "
        "managed_certificates_owner_id_fkey r; managed_certificates_renewal_policy_id_fkey r; "
        "managed_certificates_team_id_fkey c; ");
}

TEST_CASE("audit events can be added, never changed, deleted or truncated") {
  const auto database = TestPostgres::shared().open();
  insert_audit_event(*database);
  for (const char* sql : {"UPDATE audit_events SET actor = 'b'", "DELETE FROM audit_events", "TRUNCATE audit_events"}) {
    INFO(sql);
    std::string message;
    try {
      database->run(sql);
    } catch (const CheckViolation& violation) {
      message = violation.server_message();
    }
    CHECK(message.starts_with("audit_events is append-only"));
  }
  CHECK(database->run("SELECT 1 FROM audit_events").size() == 1);
}

TEST_CASE("audit events stay also while triggers for replication are off") {
  const auto database = TestPostgres::shared().open();
  insert_audit_event(*database);
  CHECK_THROWS_AS(database->transaction([](Transaction& transaction) {
    transaction.run("SET LOCAL session_replication_role = replica");
    transaction.run("DELETE FROM audit_events");
  }),
                  CheckViolation);
}

TEST_CASE("statements that know only the old columns work on the whole schema") {
  const auto database = TestPostgres::shared().open();
  database->run("INSERT INTO teams (id, name) VALUES ('t', 't')");
  database->run("INSERT INTO owners (id, name, email, team_id) VALUES ('o', 'o', 'o@x', 't')");
  database->run("INSERT INTO issuers (id, name, type) VALUES ('i', 'i', 'local')");
  database->run("INSERT INTO agents (id, name, hostname, status, api_key_hash) VALUES ('a', 'a', 'h', 'online', '')");
  database->run("INSERT INTO deployment_targets (id, name, type, agent_id) VALUES ('g', 'g', 'NGINX', 'a')");
  database->run(
      "INSERT INTO managed_certificates (id, name, common_name, owner_id, team_id, issuer_id, renewal_policy_id)"
      " VALUES ('c', 'c', 'c', 'o', 't', 'i', 'rp-default')");
  database->run("INSERT INTO certificate_target_mappings (certificate_id, target_id) VALUES ('c', 'g')");
  database->run("INSERT INTO jobs (id, type, certificate_id) VALUES ('j', 'Issuance', 'c')");
  database->run(
      "INSERT INTO notification_events (id, type, channel, recipient, message, status, retry_count, next_retry_at,"
      " last_error) VALUES ('n', 'ExpirationWarning', 'Email', 'o@x', 'm', 'failed', 1, now(), 'e')");

  CHECK(database->run("SELECT status FROM agents").front().text(0) == "Online");
  CHECK(database->run("SELECT status FROM managed_certificates").front().text(0) == "Pending");
  CHECK(database->run("SELECT deadline FROM jobs").front().time(0) == Time::max());
  CHECK_THROWS_AS(database->run("DELETE FROM teams"), ForeignKeyViolation);
}

TEST_CASE("a certificate has one open issuance") {
  const auto database = TestPostgres::shared().open();
  database->run("INSERT INTO teams (id, name) VALUES ('t', 't')");
  database->run("INSERT INTO owners (id, name, email, team_id) VALUES ('o', 'o', 'o@x', 't')");
  database->run("INSERT INTO issuers (id, name, type) VALUES ('i', 'i', 'local')");
  database->run(
      "INSERT INTO managed_certificates (id, name, common_name, owner_id, team_id, issuer_id, renewal_policy_id)"
      " VALUES ('c', 'c', 'c', 'o', 't', 'i', 'rp-default')");
  database->run("INSERT INTO jobs (id, type, certificate_id) VALUES ('j1', 'Issuance', 'c')");
  std::string constraint;
  try {
    database->run("INSERT INTO jobs (id, type, certificate_id) VALUES ('j2', 'Renewal', 'c')");
  } catch (const UniqueViolation& violation) {
    constraint = violation.constraint();
  }
  CHECK(constraint == "idx_jobs_open_issuance");
}

TEST_CASE("the claim reads its index in order, without a sort") {
  const auto database = TestPostgres::shared().open();
  database->run(
      "INSERT INTO jobs (id, type, lane, deadline, created_at)"
      " SELECT 'job-' || n, 'Deployment', 'lane-' || n % 5, '2030-01-01', '2026-01-01' FROM generate_series(1, 20000) "
      "n");
  database->run("ANALYZE jobs");
  const std::string plan = database->transaction([](Transaction& transaction) {
    transaction.run("SET LOCAL plan_cache_mode = force_generic_plan");
    transaction.run(
        "PREPARE claim (text, int) AS SELECT id FROM jobs WHERE lane = $1 AND status = 'Pending' AND executor = "
        "'server'"
        " AND claimable ORDER BY priority DESC, deadline, id LIMIT $2 FOR UPDATE SKIP LOCKED");
    std::string text;
    for (const Row& row : transaction.run("EXPLAIN EXECUTE claim ('lane-1', 10)")) text += row.text(0) + "\n";
    return text;
  });
  INFO(plan);
  CHECK(plan.find("idx_jobs_claim_server") != std::string::npos);
  CHECK(plan.find("Sort") == std::string::npos);
  CHECK(plan.find("Seq Scan") == std::string::npos);
}

TEST_CASE("seeds are given once, so that a deleted row stays deleted") {
  const auto database = TestPostgres::shared().open();
  CHECK(database->run("SELECT 1 FROM policy_rules").size() == 4);
  CHECK(database->run("SELECT 1 FROM issuer_runtime").size() == 2);
  database->run("DELETE FROM renewal_policies WHERE id = 'rp-default'");
  Migrator(*database).apply();
  CHECK(database->run("SELECT 1 FROM renewal_policies").empty());
}

TEST_CASE("a migrated database has nothing to do") {
  const auto database = TestPostgres::shared().open();
  CHECK(Migrator(*database).apply() == 0);
  const MigrationStatus status = Migrator(*database).status();
  CHECK(status.pending.empty());
  CHECK(status.database_version == int(embedded_migrations().size()));
}

TEST_CASE("a database newer than the program is refused with both numbers") {
  const auto database = TestPostgres::shared().open();
  database->run("INSERT INTO certctl_schema_migrations (version, name, checksum) VALUES (4711, 'x', 'y')");
  CHECK(code_of([&] { Migrator(*database).apply(); }) == "database_newer");
  const std::string message = message_of([&] { Migrator(*database).status(); });
  CHECK(message.find("4711") != std::string::npos);
  CHECK(message.find("only " + std::to_string(embedded_migrations().size())) != std::string::npos);
}

TEST_CASE("an edited migration is refused by name") {
  const auto database = TestPostgres::shared().open();
  database->run("UPDATE certctl_schema_migrations SET checksum = 'feed' WHERE version = 3");
  CHECK(code_of([&] { Migrator(*database).apply(); }) == "migration_edited");
  CHECK(message_of([&] { Migrator(*database).apply(); }).find("0003_issuance_ledger") != std::string::npos);
}

TEST_CASE("tables of a foreign origin are not touched") {
  Database database(TestPostgres::options(TestPostgres::shared().empty_database()));
  database.run("CREATE TABLE managed_certificates (id text)");
  CHECK(code_of([&] { Migrator(database).apply(); }) == "foreign_schema");
}

TEST_CASE("a failing migration leaves nothing of itself behind") {
  Database database(TestPostgres::options(TestPostgres::shared().empty_database()));
  constexpr std::array<Migration, 2> kBroken = {
      Migration{1, "0001_good", "a", "CREATE TABLE one (a int);"},
      Migration{2, "0002_bad", "b", "CREATE TABLE two (a int); SELECT 1 / 0;"}};
  CHECK_THROWS_AS(Migrator(database, kBroken).apply(), SqlError);
  CHECK(database.run("SELECT to_regclass('two') IS NULL").front().flag(0));
  CHECK(Migrator(database, std::span(kBroken).first(1)).status().database_version == 1);
}

TEST_CASE("replicas that start together migrate once", "[slow]") {
  for (const std::vector<std::string>& off :
       {std::vector<std::string>{}, std::vector<std::string>{"advisory", "unlogged"}}) {
    const std::string url = TestPostgres::shared().empty_database();
    std::array<int, 3> applied{};
    std::array<std::string, 3> failures;
    std::vector<std::thread> replicas;
    for (std::size_t i = 0; i < applied.size(); ++i)
      replicas.emplace_back([&, i] {
        try {
          DatabaseOptions options = TestPostgres::options(url);
          options.capabilities_off = off;
          Database database(std::move(options));
          database.probe();
          applied[i] = Migrator(database).apply();
        } catch (const std::exception& error) {
          failures[i] = error.what();
        }
      });
    for (std::thread& replica : replicas) replica.join();
    for (const std::string& failure : failures) CHECK(failure == "");
    CHECK(applied[0] + applied[1] + applied[2] == int(embedded_migrations().size()));
  }
}

TEST_CASE("a migration waits for a long query instead of failing", "[slow]") {
  const auto database = TestPostgres::shared().open();
  constexpr std::array<Migration, 1> kAlter = {
      Migration{100, "0100_alter", "c", "ALTER TABLE teams ADD COLUMN extra int;"}};
  std::vector<Migration> all(embedded_migrations().begin(), embedded_migrations().end());
  all.push_back(kAlter[0]);
  const auto reader = database->connect("reader", std::chrono::seconds(30));
  reader->run("BEGIN");
  reader->run("SELECT 1 FROM teams");
  std::thread release([&] {
    // Longer than lock_timeout, so that the first attempt gives way.
    std::this_thread::sleep_for(std::chrono::milliseconds(5500));
    reader->run("COMMIT");
  });
  const int applied = Migrator(*database, all).apply();
  release.join();
  CHECK(applied == 1);
}
