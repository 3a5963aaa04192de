#include "core/store/notifications.hpp"

#include <algorithm>

#include "core/base/text.hpp"
#include "core/store/rows.hpp"

namespace certctl::store::notifications {
namespace {

using domain::Notification;

constexpr std::size_t kWidth = 255;  // of type, channel and recipient

std::optional<std::string> given(const std::string& text) { return text.empty() ? std::optional<std::string>() : text; }

void optional_field(json::Writer& out, std::string_view name, const std::string& text) {
  if (!text.empty()) out.field(name, text);
}

/// A LIKE pattern for texts that hold `text` literally.
std::string like(std::string_view text) {
  std::string pattern = "%";
  for (const char c : text) {
    if (c == '%' || c == '_' || c == '\\') pattern += '\\';
    pattern += c;
  }
  return pattern + '%';
}

int urgency_of(const std::string& severity) {
  if (severity == domain::name_of(domain::Severity::critical)) return 0;
  return severity == domain::name_of(domain::Severity::warning) ? 1 : 2;
}

std::string_view word_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::sent: return "sent";
    case Verdict::failed: return "failed";
    case Verdict::dead: return "dead";
    case Verdict::put_back: break;
  }
  return "pending";
}

}  // namespace

std::int64_t insert(db::Executor db, const std::vector<New>& rows) {
  if (rows.empty()) return 0;
  json::Writer out;
  out.begin_array();
  for (const auto& n : rows) {
    const Notification& row = n.row;
    out.begin_object().field("id", row.id).field("type", row.type);
    optional_field(out, "certificate_id", row.certificate_id);
    out.field("channel", shorten(row.channel, kWidth)).field("recipient", shorten(row.recipient, kWidth));
    out.field("message", row.message).field("status", row.status.text());
    optional_field(out, "last_error", row.last_error);
    out.field("created_at", row.created_at).field("urgency", urgency_of(row.severity));
    out.field("subject", row.subject).field("severity", row.severity).field("payload", *row.payload);
    optional_field(out, "event_id", n.event_id);
    optional_field(out, "channel_id", *row.channel_id);
    optional_field(out, "dedup_key", n.dedup_key);
    out.end_object();
  }
  out.end_array();
  return db.run(R"(
    INSERT INTO notification_events (id, type, certificate_id, channel, recipient, message, status, error, last_error, created_at,
                                     urgency, subject, severity, payload, event_id, channel_id, dedup_key)
    SELECT id, type, certificate_id, channel, recipient, message, status, last_error, last_error, created_at,
           urgency, subject, severity, payload, event_id, channel_id, dedup_key
      FROM jsonb_to_recordset($1::jsonb) AS r
           (id text, type text, certificate_id text, channel text, recipient text, message text, status text, last_error text,
            created_at timestamptz, urgency smallint, subject text, severity text, payload jsonb, event_id text, channel_id text,
            dedup_key text)
        ON CONFLICT DO NOTHING)", json::Raw{out.take()}).affected();
}

Addresses addresses(db::Executor db, const std::string& owner_id, const std::string& team_id) {
  const auto row = db.run(R"(
    SELECT (SELECT email FROM owners WHERE id = $1) AS owner,
           ARRAY(SELECT DISTINCT email FROM owners
                  WHERE team_id = coalesce((SELECT nullif(o.team_id, '') FROM owners o WHERE o.id = $1), $2)
                    AND id <> $1 AND email <> '' ORDER BY email) AS team)", owner_id, team_id).front();
  return {row.text("owner"), row.texts("team")};
}

std::optional<Notification> find(db::Executor db, const std::string& id) {
  return from_first<Notification>(db.run("SELECT * FROM notification_events WHERE id = $1", id));
}

std::optional<json::Raw> attempts(db::Executor db, const std::string& id) {
  const auto row = db.run("SELECT attempts_log FROM notification_events WHERE id = $1", id).first();
  if (!row) return std::nullopt;
  return row->json("attempts_log");
}

Page<Notification> list(db::Executor db, const Filter& f, const PageRequest& page) {
  constexpr std::string_view kWhere = R"(
     WHERE ($1::text IS NULL OR status = $1) AND ($2::text IS NULL OR type = $2) AND ($3::text IS NULL OR channel = $3)
       AND ($4::text IS NULL OR severity = $4) AND ($5::text IS NULL OR certificate_id = $5) AND ($6::text IS NULL OR recipient = $6)
       AND ($7::text IS NULL OR subject ILIKE $7 OR message ILIKE $7)
       AND ($8::timestamptz IS NULL OR created_at >= $8) AND ($9::timestamptz IS NULL OR created_at < $9))";
  static const std::string rows_sql = "SELECT * FROM notification_events" + std::string(kWhere) +
                                      " ORDER BY sent_at DESC NULLS LAST, created_at DESC, id LIMIT $10::bigint OFFSET $11::bigint";
  static const std::string count_sql = "SELECT count(*) FROM notification_events" + std::string(kWhere);
  const auto text = f.text.empty() ? std::optional<std::string>() : like(f.text);
  const auto rows = db.run(rows_sql, given(f.status), given(f.type), given(f.channel), given(f.severity), given(f.certificate_id),
                           given(f.recipient), text, f.from, f.to, page.per_page, page.offset());
  const auto total = db.run(count_sql, given(f.status), given(f.type), given(f.channel), given(f.severity), given(f.certificate_id),
                            given(f.recipient), text, f.from, f.to);
  return {from_rows<Notification>(rows), total.front().integer(0)};
}

bool mark_read(db::Executor db, const std::string& id) {
  return db.run(R"(UPDATE notification_events SET read_at = coalesce(read_at, now()),
                          status = CASE WHEN status = 'sent' THEN 'read' ELSE status END
                    WHERE id = $1)", id).affected() == 1;
}

bool requeue(db::Executor db, const std::string& id, Duration hold) {
  return db.run(R"(UPDATE notification_events
                      SET status = 'pending', retry_count = 0, next_retry_at = NULL, last_error = NULL, error = NULL, delivered = NULL,
                          claimable = false, not_before = now() + $2::interval, lease_owner = NULL, lease_expires_at = NULL,
                          fence = fence + 1
                    WHERE id = $1 AND (status IN ('failed', 'dead') OR (status = 'sent' AND delivered IS FALSE)))",
                id, hold).affected() == 1;
}

// --- delivery ------------------------------------------------------------------------------------------------------

std::vector<std::string> channels_with_work(db::Executor db) {
  // A loose index scan over the claim index: one probe a channel, however many rows wait.
  const auto result = db.run(R"(
    WITH RECURSIVE c AS (
      (SELECT channel_id FROM notification_events WHERE status = 'pending' AND claimable AND channel_id IS NOT NULL
        ORDER BY channel_id LIMIT 1)
      UNION ALL
      SELECT (SELECT e.channel_id FROM notification_events e
               WHERE e.status = 'pending' AND e.claimable AND e.channel_id > c.channel_id ORDER BY e.channel_id LIMIT 1)
        FROM c WHERE c.channel_id IS NOT NULL)
    SELECT channel_id FROM c WHERE channel_id IS NOT NULL)");
  std::vector<std::string> ids;
  for (const auto& row : result) ids.push_back(row.text(0));
  return ids;
}

std::vector<Claimed> claim(db::Executor db, const std::string& channel_id, int limit, const std::string& owner, Duration lease) {
  // `not_before` doubles as the lease's end, so that promote_due() frees the rows of senders that died. ANY, not a join:
  // a plan that does not know the limit would hash the whole table.
  const auto result = db.run(R"(
    WITH c AS (SELECT id, not_before FROM notification_events WHERE channel_id = $1 AND status = 'pending' AND claimable
               ORDER BY urgency, created_at, id LIMIT $2::int FOR UPDATE SKIP LOCKED)
    UPDATE notification_events e
       SET claimable = false, not_before = now() + $4::interval, lease_owner = $3, lease_expires_at = now() + $4::interval,
           fence = fence + 1
     WHERE e.id = ANY (ARRAY(SELECT id FROM c))
    RETURNING e.*, (SELECT c.not_before FROM c WHERE c.id = e.id) AS held_until)", channel_id, limit, owner, lease);
  const auto columns = columns_of<Notification>(result);
  std::vector<Claimed> claimed;
  for (const auto& row : result) claimed.push_back({from_row<Notification>(row, columns), row.optional_time("held_until")});
  std::sort(claimed.begin(), claimed.end(), [](const Claimed& a, const Claimed& b) { return a.row.created_at < b.row.created_at; });
  return claimed;
}

std::vector<std::string> record(db::Executor db, const std::string& owner, const std::vector<Result>& results) {
  if (results.empty()) return {};
  json::Writer out;
  out.begin_array();
  for (const auto& r : results) {
    out.begin_object().field("id", r.id).field("fence", r.fence).field("status", word_of(r.verdict)).field("retry_count", r.retry_count);
    out.field("wait", std::chrono::duration<double>(r.wait).count());
    optional_field(out, "error", r.error);
    optional_field(out, "provider_ref", r.provider_ref);
    if (r.held_until) out.field("held_until", *r.held_until);
    if (r.attempt.text != "null") out.field("attempt", r.attempt);
    out.end_object();
  }
  out.end_array();
  const auto written = db.run(R"(
    UPDATE notification_events e
       SET status = CASE WHEN r.status = 'sent' AND e.read_at IS NOT NULL THEN 'read' ELSE r.status END,
           sent_at = CASE WHEN r.status = 'sent' THEN now() ELSE e.sent_at END,
           delivered = CASE WHEN r.status = 'sent' THEN true ELSE e.delivered END,
           retry_count = r.retry_count, last_error = r.error, error = r.error,
           next_retry_at = CASE r.status WHEN 'failed' THEN now() + r.wait * interval '1 second'
                                         WHEN 'pending' THEN e.next_retry_at END,
           provider_ref = coalesce(r.provider_ref, e.provider_ref),
           attempts_log = CASE WHEN r.attempt IS NULL THEN e.attempts_log
                               WHEN jsonb_array_length(e.attempts_log) < 50 THEN e.attempts_log || r.attempt
                               ELSE (e.attempts_log - 0) || r.attempt END,
           claimable = true, not_before = r.held_until, lease_owner = NULL, lease_expires_at = NULL
      FROM jsonb_to_recordset($1::jsonb) AS r
           (id text, fence bigint, status text, retry_count int, wait float8, error text, provider_ref text, held_until timestamptz,
            attempt jsonb)
     WHERE e.id = r.id AND e.status = 'pending' AND e.lease_owner = $2 AND e.fence = r.fence
    RETURNING e.id)", json::Raw{out.take()}, owner);
  std::vector<std::string> ids;
  for (const auto& row : written) ids.push_back(row.text(0));
  return ids;
}

// --- sweeps: `= ANY (ARRAY(…))` reads the rows by their key, whatever the planner thinks of LIMIT -----------------------

std::int64_t retry_due(db::Executor db) {
  // next_retry_at stays: a pending row that has one is tried again, see route().
  return db.run(R"(
    UPDATE notification_events SET status = 'pending', claimable = true
     WHERE id = ANY (ARRAY(SELECT id FROM notification_events
                            WHERE status = 'failed' AND next_retry_at IS NOT NULL AND next_retry_at <= now()
                            ORDER BY next_retry_at LIMIT 1000 FOR UPDATE SKIP LOCKED)))").affected();
}

std::int64_t promote_due(db::Executor db) {
  return db.run(R"(
    UPDATE notification_events SET claimable = true, lease_owner = NULL, lease_expires_at = NULL
     WHERE id = ANY (ARRAY(SELECT id FROM notification_events WHERE status = 'pending' AND NOT claimable AND not_before <= now()
                            ORDER BY not_before, id LIMIT 1000 FOR UPDATE SKIP LOCKED)))").affected();
}

Routed route(db::Executor db, int max_attempts) {
  const auto row = db.run(R"(
    WITH c AS (SELECT id, channel FROM notification_events WHERE channel_id IS NULL AND status = 'pending' AND claimable
                ORDER BY channel_id, urgency, created_at, id LIMIT 1000 FOR UPDATE SKIP LOCKED),
         types AS (SELECT t.channel, (SELECT n.id FROM notification_channels n WHERE n.enabled AND lower(n.type) = lower(t.channel)
                                       ORDER BY n.source = 'env' DESC, n.id LIMIT 1) AS found
                     FROM (SELECT DISTINCT channel FROM c) t),
         routed AS (UPDATE notification_events e SET channel_id = t.found FROM types t
                     WHERE e.id = ANY (ARRAY(SELECT id FROM c)) AND t.channel = e.channel AND t.found IS NOT NULL),
         skipped AS (UPDATE notification_events e
                        SET status = CASE WHEN e.read_at IS NULL THEN 'sent' ELSE 'read' END, delivered = false
                       FROM types t
                      WHERE e.id = ANY (ARRAY(SELECT id FROM c)) AND t.channel = e.channel AND t.found IS NULL
                        AND e.next_retry_at IS NULL),
         failed AS (UPDATE notification_events e
                       SET status = CASE WHEN e.retry_count + 1 >= $1::int THEN 'dead' ELSE 'failed' END,
                           retry_count = e.retry_count + 1, last_error = format('no %s channel configured', e.channel),
                           error = format('no %s channel configured', e.channel),
                           next_retry_at = CASE WHEN e.retry_count + 1 < $1::int
                             THEN now() + least(interval '1 minute' * power(2, least(e.retry_count, 6)), interval '1 hour')
                                          * (0.9 + 0.2 * random()) END
                      FROM types t
                     WHERE e.id = ANY (ARRAY(SELECT id FROM c)) AND t.channel = e.channel AND t.found IS NULL
                       AND e.next_retry_at IS NOT NULL)
    SELECT (SELECT count(*) FROM c) AS rows, ARRAY(SELECT channel FROM types WHERE found IS NULL) AS without)",
                          max_attempts).front();
  return {row.integer("rows"), row.texts("without")};
}

std::int64_t unroute(db::Executor db, const std::string& channel_id) {
  return db.run(R"(
    UPDATE notification_events SET channel_id = NULL
     WHERE id = ANY (ARRAY(SELECT id FROM notification_events WHERE channel_id = $1 AND status = 'pending' AND claimable
                            ORDER BY urgency, created_at, id LIMIT 1000 FOR UPDATE SKIP LOCKED)))", channel_id).affected();
}

std::int64_t expire(db::Executor db, const std::string& channel_id, Duration ttl, Duration critical_ttl) {
  std::int64_t expired = 0;
  for (int urgency = 0; urgency <= 2; ++urgency) {
    // Held back on purpose (requeued), a message's time counts from then.
    expired += db.run(R"(
      UPDATE notification_events
         SET status = 'dead', next_retry_at = NULL,
             last_error = 'expired before delivery: ' || coalesce(last_error, 'the channel was not available'),
             error = 'expired before delivery: ' || coalesce(last_error, 'the channel was not available')
       WHERE id = ANY (ARRAY(
               SELECT id FROM notification_events
                WHERE channel_id = $1 AND status = 'pending' AND claimable AND urgency = $2::smallint AND created_at < now() - $3::interval
                  AND (not_before IS NULL OR not_before < now() - $3::interval)
                ORDER BY created_at, id LIMIT 1000 FOR UPDATE SKIP LOCKED)))",
                      channel_id, urgency, urgency == 0 ? critical_ttl : ttl).affected();
  }
  return expired;
}

std::int64_t purge(db::Executor db, Duration age) {
  std::int64_t purged = 0;
  for (const std::string_view status : {"sent", "read", "dead"}) {
    purged += db.run(R"(DELETE FROM notification_events
                         WHERE id = ANY (ARRAY(SELECT id FROM notification_events
                                                WHERE status = $1 AND created_at < now() - $2::interval LIMIT 1000)))",
                     status, age).affected();
  }
  return purged;
}

}  // namespace certctl::store::notifications
