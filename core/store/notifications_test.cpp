#include <catch2/catch.hpp>

#include "core/store/notification_channels.hpp"
#include "core/store/notifications.hpp"
#include "test/support/postgres.hpp"

using namespace certctl;
using namespace std::chrono_literals;
namespace rows = store::notifications;

namespace {

void fill(db::Database& database) {
  database.run(R"(INSERT INTO notification_events (id, type, channel, recipient, message, channel_id, status, created_at, urgency, claimable,
                                                   not_before, next_retry_at)
                  SELECT 'n-' || i, 'Revocation', 'Webhook', 'r', 'm', CASE WHEN i % 7 > 0 THEN 'nc-' || i % 7 END,
                         CASE i % 5 WHEN 0 THEN 'failed' WHEN 1 THEN 'sent' ELSE 'pending' END, '2026-01-01', i % 3, i % 5 <> 2,
                         CASE WHEN i % 5 = 2 THEN '2026-01-01'::timestamptz END, CASE WHEN i % 5 = 0 THEN '2026-01-01'::timestamptz END
                    FROM generate_series(1, 40000) i)");
  database.run("ANALYZE notification_events");
}

}  // namespace

TEST_CASE("Neither claims nor sweeps nor the list's order read the whole table") {
  const auto database = test::TestPostgres::shared().open();
  fill(*database);
  const auto scans = database->transaction([](db::Transaction& tx) {
    tx.run("SET LOCAL plan_cache_mode = force_generic_plan");  // blind to values, as plans may be after a few runs
    CHECK(rows::retry_due(tx) == rows::kSlice);
    CHECK(rows::promote_due(tx) == rows::kSlice);
    CHECK(rows::channels_with_work(tx).size() == 6);
    CHECK(rows::unroute(tx, "nc-1") == rows::kSlice);
    CHECK(rows::route(tx, 5).rows == rows::kSlice);
    CHECK(rows::claim(tx, "nc-2", 16, "me", 30s).size() == 16);
    CHECK(rows::expire(tx, "nc-3", 1h, 1h) > 0);
    tx.run("SELECT id FROM notification_events ORDER BY sent_at DESC NULLS LAST, created_at DESC, id LIMIT 50");
    return tx.run("SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'notification_events'").front().integer(0);
  });
  CHECK(scans == 0);
}

TEST_CASE("The most urgent message is claimed first, then the oldest") {
  const auto database = test::TestPostgres::shared().open();
  database->run(R"(INSERT INTO notification_events (id, type, channel, recipient, message, channel_id, urgency, created_at)
                   VALUES ('late', 'T', 'C', '', '', 'nc', 1, now()), ('early', 'T', 'C', '', '', 'nc', 1, now() - interval '1 hour'),
                          ('urgent', 'T', 'C', '', '', 'nc', 0, now()), ('idle', 'T', 'C', '', '', 'nc', 2, now() - interval '1 day'))");
  std::string order;
  for (int i = 0; i < 4; ++i) order += rows::claim(*database, "nc", 1, "me", 30s).at(0).row.id + ' ';
  CHECK(order == "urgent early late idle ");
}

TEST_CASE("Whoever claims after a lease ran out has the row, and the late result of the first is not written") {
  const auto database = test::TestPostgres::shared().open();
  database->run("INSERT INTO notification_events (id, type, channel, recipient, message, channel_id) VALUES ('n', 'T', 'C', '', '', 'nc')");
  const auto first = rows::claim(*database, "nc", 1, "same sender", 30s).at(0);
  CHECK(rows::promote_due(*database) == 0);
  database->run("UPDATE notification_events SET not_before = now() - interval '1 second'");
  CHECK(rows::promote_due(*database) == 1);
  const auto second = rows::claim(*database, "nc", 1, "same sender", 30s).at(0);
  rows::Result result;
  result.id = "n";
  result.verdict = rows::Verdict::sent;
  result.fence = *first.row.fence;
  CHECK(rows::record(*database, "same sender", {result}).empty());
  result.fence = *second.row.fence;
  CHECK(rows::record(*database, "another", {result}).empty());
  CHECK(rows::record(*database, "same sender", {result}).size() == 1);
  CHECK(rows::find(*database, "n")->status.text() == "sent");
}

TEST_CASE("The attempt log keeps the last fifty entries") {
  const auto database = test::TestPostgres::shared().open();
  database->run("INSERT INTO notification_events (id, type, channel, recipient, message, channel_id) VALUES ('n', 'T', 'C', '', '', 'nc')");
  for (int i = 1; i <= 60; ++i) {
    const auto claimed = rows::claim(*database, "nc", 1, "me", 30s).at(0);
    rows::Result result;
    result.id = "n";
    result.fence = *claimed.row.fence;
    result.attempt = json::raw("{\"attempt\": " + std::to_string(i) + "}");
    REQUIRE(rows::record(*database, "me", {result}).size() == 1);
  }
  const auto log = json::parse(rows::attempts(*database, "n")->text);
  CHECK(log.Size() == 50);
  CHECK(json::integer_or(log[0], "attempt", 0) == 11);
}

TEST_CASE("Old ended messages are purged, waiting and young ones stay") {
  const auto database = test::TestPostgres::shared().open();
  database->run(R"(INSERT INTO notification_events (id, type, channel, recipient, message, status, created_at)
                   SELECT s || d, 'T', 'C', '', '', s, now() - make_interval(days => d)
                     FROM unnest(ARRAY['pending', 'failed', 'sent', 'read', 'dead']) s, unnest(ARRAY[399, 401]) d)");
  CHECK(rows::purge(*database, std::chrono::hours(24 * 400)) == 3);
  CHECK(database->run("SELECT count(*) FROM notification_events").front().integer(0) == 7);
}
