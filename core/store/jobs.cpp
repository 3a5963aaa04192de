#include "core/store/jobs.hpp"

#include "core/store/rows.hpp"

namespace certctl::store::jobs {
namespace {

using domain::Job;

std::optional<std::string> given(const std::string& text) { return text.empty() ? std::optional<std::string>() : text; }

std::vector<Swept> swept(const db::Result& result) {
  std::vector<Swept> out;
  for (const auto& row : result) {
    out.push_back({row.text("id"), row.text("certificate_id"), row.text("type"), row.text("agent_id"), row.text("old_status"),
                   row.text("new_status"), row.integer("attempts"), row.integer("max_attempts")});
  }
  return out;
}

}  // namespace

std::set<std::string> insert(db::Executor db, std::span<const Job> jobs) {
  std::set<std::string> stored;
  if (jobs.empty()) return stored;
  json::Writer rows;
  rows.begin_array();
  for (const auto& j : jobs) {
    rows.begin_object().field("id", j.id).field("type", j.type.text()).field("status", j.status.text());
    rows.field("max_attempts", j.max_attempts).field("created_at", j.created_at).field("executor", *j.executor).field("lane", *j.lane);
    rows.field("priority", j.priority).field("trigger", *j.trigger).field("requested_by", static_cast<const std::string&>(j.requested_by));
    rows.field("phase", j.phase).field("hold_reasons", j.hold_reasons);
    const std::pair<std::string_view, const std::string&> references[] = {
        {"certificate_id", j.certificate_id}, {"target_id", j.target_id}, {"agent_id", j.agent_id},
        {"issuer_id", j.issuer_id}, {"parent_job_id", j.parent_job_id}, {"version_id", j.version_id}};
    for (const auto& [name, value] : references) {
      if (!value.empty()) rows.field(name, value);
    }
    rows.end_object();
  }
  rows.end_array();
  const auto result = db.run(R"(
    INSERT INTO jobs (id, type, certificate_id, target_id, agent_id, status, max_attempts, scheduled_at, created_at, verification_status,
                      executor, lane, priority, issuer_id, parent_job_id, version_id, trigger, requested_by, phase, hold_reasons, awaiting_since)
    SELECT id, type, certificate_id, target_id, agent_id, status, max_attempts, created_at, created_at,
           CASE WHEN type = 'Deployment' THEN 'pending' ELSE 'skipped' END,
           executor, lane, priority, issuer_id, parent_job_id, version_id, trigger, requested_by, phase, hold_reasons,
           CASE WHEN status IN ('AwaitingCSR', 'AwaitingApproval') THEN created_at END
      FROM jsonb_to_recordset($1::jsonb) AS j(id text, type text, certificate_id text, target_id text, agent_id text, status text,
             max_attempts int, created_at timestamptz, executor text, lane text, priority smallint, issuer_id text, parent_job_id text,
             version_id text, trigger text, requested_by text, phase text, hold_reasons text[])
    ON CONFLICT DO NOTHING RETURNING id)", json::Raw{rows.take()});
  for (const auto& row : result) stored.insert(row.text(0));
  return stored;
}

std::optional<Job> find(db::Executor db, const std::string& id) {
  return from_first<Job>(db.run("SELECT * FROM jobs WHERE id = $1", id));
}

std::optional<Job> find_for_update(db::Executor db, const std::string& id) {
  return from_first<Job>(db.run("SELECT * FROM jobs WHERE id = $1 FOR UPDATE", id));
}

Page<Job> list(db::Executor db, const Filter& f, const PageRequest& page) {
  constexpr std::string_view kWhere = R"(
     WHERE ($1::text IS NULL OR status = $1) AND ($2::text IS NULL OR type = $2) AND ($3::text IS NULL OR certificate_id = $3)
       AND ($4::text IS NULL OR target_id = $4) AND ($5::text IS NULL OR agent_id = $5))";
  static const std::string rows_sql =
      "SELECT * FROM jobs" + std::string(kWhere) + " ORDER BY created_at DESC, id LIMIT $6::bigint OFFSET $7::bigint";
  static const std::string count_sql = "SELECT count(*) FROM jobs" + std::string(kWhere);
  const auto rows = db.run(rows_sql, given(f.status), given(f.type), given(f.certificate_id), given(f.target_id), given(f.agent_id),
                           page.per_page, page.offset());
  const auto total = db.run(count_sql, given(f.status), given(f.type), given(f.certificate_id), given(f.target_id), given(f.agent_id));
  return {from_rows<Job>(rows), total[0].integer(0)};
}

std::vector<Job> open_issuances(db::Executor db, const std::string& certificate_id) {
  return from_rows<Job>(db.run(R"(SELECT * FROM jobs
       WHERE certificate_id = $1 AND type IN ('Issuance', 'Renewal')
         AND status IN ('Pending', 'AwaitingCSR', 'AwaitingApproval', 'Running')
       ORDER BY parent_job_id IS NOT NULL, created_at, id)", certificate_id));
}

std::optional<Job> latest_issuance(db::Executor db, const std::string& certificate_id) {
  return from_first<Job>(db.run(R"(SELECT * FROM jobs
       WHERE certificate_id = $1 AND type IN ('Issuance', 'Renewal') AND parent_job_id IS NULL
       ORDER BY created_at DESC, id LIMIT 1)", certificate_id));
}

std::vector<std::string> lanes_with_work(db::Executor db) {
  // A loose index scan over the claim index: one probe a lane, however many jobs wait.
  const auto result = db.run(R"(
    WITH RECURSIVE l AS (
      (SELECT lane FROM jobs WHERE status = 'Pending' AND executor = 'server' AND claimable ORDER BY lane LIMIT 1)
      UNION ALL
      SELECT (SELECT j.lane FROM jobs j WHERE j.status = 'Pending' AND j.executor = 'server' AND j.claimable AND j.lane > l.lane
               ORDER BY j.lane LIMIT 1)
        FROM l WHERE l.lane IS NOT NULL)
    SELECT l.lane FROM l LEFT JOIN issuer_runtime r ON r.lane = l.lane
     WHERE l.lane IS NOT NULL ORDER BY r.last_served_at NULLS FIRST, l.lane)");
  std::vector<std::string> lanes;
  for (const auto& row : result) lanes.push_back(row.text(0));
  return lanes;
}

// The claims take their rows by ANY, not by a join: a plan that does not know the limit would hash the whole table.

std::vector<Job> claim_lane(db::Executor db, const std::string& lane, int limit, const std::string& owner, Duration lease) {
  auto jobs = from_rows<Job>(db.run(R"(
    WITH c AS (SELECT id FROM jobs WHERE lane = $1 AND status = 'Pending' AND executor = 'server' AND claimable
               ORDER BY priority DESC, deadline, id LIMIT $2::int FOR UPDATE SKIP LOCKED)
    UPDATE jobs j SET status = 'Running', started_at = now(), attempts = attempts + 1, lease_owner = $3,
           lease_expires_at = now() + $4::interval, fence = fence + 1, hold_reasons = '{}', updated_at = now()
     WHERE j.id = ANY (ARRAY(SELECT id FROM c)) RETURNING j.*)", lane, limit, owner, lease));
  if (!jobs.empty()) db.run("UPDATE issuer_runtime SET last_served_at = now() WHERE lane = $1", lane);
  return jobs;
}

std::vector<Job> claim_parked(db::Executor db, int limit, const std::string& owner, Duration lease) {
  return from_rows<Job>(db.run(R"(
    WITH c AS (SELECT id FROM jobs WHERE status = 'Running' AND lease_owner IS NULL AND next_attempt_at <= now()
               ORDER BY next_attempt_at, id LIMIT $1::int FOR UPDATE SKIP LOCKED)
    UPDATE jobs j SET lease_owner = $2, lease_expires_at = now() + $3::interval, fence = fence + 1, updated_at = now()
     WHERE j.id = ANY (ARRAY(SELECT id FROM c)) RETURNING j.*)", limit, owner, lease));
}

std::vector<Job> claim_deployments(db::Executor db, const std::string& agent_id, int limit, const std::string& owner, Duration lease) {
  // One deployment at a time a target: the unique index on running ones would refuse a second.
  return from_rows<Job>(db.run(R"(
    WITH c AS (SELECT id, target_id, created_at, next_attempt_at FROM jobs WHERE agent_id = $1 AND executor = 'agent' AND status = 'Pending'
               ORDER BY created_at, id LIMIT $2::int FOR UPDATE SKIP LOCKED),
         one AS (SELECT DISTINCT ON (c.target_id) c.id FROM c
                  WHERE (c.next_attempt_at IS NULL OR c.next_attempt_at <= now())
                    AND NOT EXISTS (SELECT 1 FROM jobs r WHERE r.target_id = c.target_id AND r.type = 'Deployment' AND r.status = 'Running')
                  ORDER BY c.target_id, c.created_at, c.id)
    UPDATE jobs j SET status = 'Running', started_at = now(), attempts = attempts + 1, lease_owner = $3,
           lease_expires_at = now() + $4::interval, fence = fence + 1, phase = 'deploying', hold_reasons = '{}', updated_at = now()
     WHERE j.id = ANY (ARRAY(SELECT id FROM one)) RETURNING j.*)", agent_id, limit, owner, lease));
}

std::vector<Job> claim_csr_jobs(db::Executor db, const std::string& agent_id, int limit, const std::string& owner, Duration lease) {
  return from_rows<Job>(db.run(R"(
    WITH c AS (SELECT id FROM jobs WHERE agent_id = $1 AND executor = 'agent' AND status = 'AwaitingCSR'
                 AND (lease_expires_at IS NULL OR lease_expires_at < now())
               ORDER BY created_at, id LIMIT $2::int FOR UPDATE SKIP LOCKED)
    UPDATE jobs j SET lease_owner = $3, lease_expires_at = now() + $4::interval, fence = fence + 1, hold_reasons = '{}', updated_at = now()
     WHERE j.id = ANY (ARRAY(SELECT id FROM c)) RETURNING j.*)", agent_id, limit, owner, lease));
}

void extend(db::Executor db, const std::string& owner, const std::vector<std::string>& ids, Duration lease) {
  if (ids.empty()) return;
  db.run(R"(UPDATE jobs SET lease_expires_at = now() + $3::interval
             WHERE id = ANY($2::text[]) AND lease_owner = $1 AND status IN ('Running', 'AwaitingCSR'))", owner, ids, lease);
}

void extend_all(db::Executor db, const std::string& owner, Duration lease) {
  db.run(R"(UPDATE jobs SET lease_expires_at = now() + $2::interval
             WHERE status = 'Running' AND lease_owner IS NOT NULL AND lease_owner = $1)", owner, lease);
}

std::optional<Job> take_csr_job(db::Executor db, const std::string& id, const std::string& issuer_id, const std::string& owner, Duration lease) {
  return from_first<Job>(db.run(R"(
    UPDATE jobs SET status = 'Running', executor = 'server', lane = $2, issuer_id = $2, started_at = now(), attempts = attempts + 1,
           lease_owner = $3, lease_expires_at = now() + $4::interval, fence = fence + 1, phase = 'submitting', last_error = NULL,
           updated_at = now()
     WHERE id = $1 AND status = 'AwaitingCSR' RETURNING *)", id, issuer_id, owner, lease));
}

bool complete(db::Executor db, const Job& job, const std::string& version_id) {
  return db.run(R"(UPDATE jobs SET status = 'Completed', completed_at = now(), last_error = NULL, version_id = $4, phase = 'queued',
                          lease_owner = NULL, lease_expires_at = NULL, updated_at = now()
                    WHERE id = $1 AND status = 'Running' AND lease_owner = $2 AND fence = $3)",
                job.id, *job.lease_owner, *job.fence, given(version_id)).affected() == 1;
}

bool fail(db::Executor db, const Job& job, const Failure& failure) {
  return db.run(R"(UPDATE jobs SET status = 'Failed', completed_at = now(), last_error = $4, retryable = $5, next_attempt_at = $6,
                          lease_owner = NULL, lease_expires_at = NULL, updated_at = now()
                    WHERE id = $1 AND lease_owner = $2 AND fence = $3 AND status = 'Running')",
                job.id, *job.lease_owner, *job.fence, failure.error, failure.retryable, failure.next_attempt_at).affected() == 1;
}

bool park(db::Executor db, const Job& job, Time next_attempt_at, domain::JobPhase phase) {
  return db.run(R"(UPDATE jobs SET lease_owner = NULL, lease_expires_at = NULL, next_attempt_at = $4, phase = $5, updated_at = now()
                    WHERE id = $1 AND status = 'Running' AND lease_owner = $2 AND fence = $3)",
                job.id, *job.lease_owner, *job.fence, next_attempt_at, domain::name_of(phase)).affected() == 1;
}

bool take_up(db::Executor db, const std::string& id, domain::JobPhase phase) {
  return db.run(R"(UPDATE jobs SET next_attempt_at = now(), phase = $2, hold_reasons = '{}', updated_at = now()
                    WHERE id = $1 AND status = 'Running' AND lease_owner IS NULL)",
                id, domain::name_of(phase)).affected() == 1;
}

bool put_back(db::Executor db, const Job& job, Time next_attempt_at, const std::vector<std::string>& hold_reasons) {
  return db.run(R"(UPDATE jobs SET status = 'Pending', attempts = greatest(attempts - 1, 0), lease_owner = NULL, lease_expires_at = NULL,
                          claimable = false, next_attempt_at = $4, hold_reasons = $5::text[], updated_at = now()
                    WHERE id = $1 AND status = 'Running' AND lease_owner = $2 AND fence = $3)",
                job.id, *job.lease_owner, *job.fence, next_attempt_at, hold_reasons).affected() == 1;
}

void set_phase(db::Executor db, const std::string& id, domain::JobPhase phase) {
  db.run("UPDATE jobs SET phase = $2, updated_at = now() WHERE id = $1 AND phase <> $2", id, domain::name_of(phase));
}

bool fail_open(db::Executor db, const std::string& id, const Failure& failure) {
  return db.run(R"(UPDATE jobs SET status = 'Failed', completed_at = now(), last_error = $2, retryable = $3, next_attempt_at = $4,
                          lease_owner = NULL, lease_expires_at = NULL, updated_at = now()
                    WHERE id = $1 AND status IN ('Pending', 'AwaitingCSR', 'AwaitingApproval', 'Running'))",
                id, failure.error, failure.retryable, failure.next_attempt_at).affected() == 1;
}

void cancel_children(db::Executor db, const std::string& parent_id, const std::string& reason) {
  db.run(R"(UPDATE jobs SET status = 'Cancelled', completed_at = now(), last_error = $2, lease_owner = NULL, lease_expires_at = NULL, updated_at = now()
             WHERE parent_job_id = $1 AND status IN ('Pending', 'AwaitingCSR', 'AwaitingApproval', 'Running', 'Failed'))", parent_id, reason);
}

bool start_again(db::Executor db, const Job& job, bool from_csr) {
  return db.run(R"(UPDATE jobs j
                      SET status = CASE WHEN $2::bool THEN 'AwaitingCSR' ELSE 'Pending' END, executor = CASE WHEN $2::bool THEN 'agent' ELSE executor END,
                          awaiting_since = CASE WHEN $2::bool THEN now() ELSE awaiting_since END, attempts = 0, claimable = true, retryable = true,
                          next_attempt_at = NULL, completed_at = NULL, last_error = NULL, updated_at = now()
                    WHERE id = $1 AND status = 'Failed'
                      AND NOT EXISTS (SELECT 1 FROM jobs o WHERE o.certificate_id = j.certificate_id AND o.id <> j.id
                                         AND coalesce(o.agent_id, '') = coalesce(j.agent_id, '') AND j.type IN ('Issuance', 'Renewal')
                                         AND o.type IN ('Issuance', 'Renewal') AND o.status IN ('Pending', 'AwaitingCSR', 'AwaitingApproval', 'Running')))",
                job.id, from_csr).affected() == 1;
}

void count_attempt(db::Executor db, const std::string& id) {
  db.run("UPDATE jobs SET attempts = attempts + 1 WHERE id = $1", id);
}

bool cancel(db::Executor db, const std::string& id, const std::string& reason) {
  return db.run(R"(UPDATE jobs SET status = 'Cancelled', completed_at = now(), last_error = $2, lease_owner = NULL,
                          lease_expires_at = NULL, updated_at = now()
                    WHERE id = $1 AND status IN ('Pending', 'AwaitingCSR', 'AwaitingApproval', 'Running', 'Failed'))",
                id, reason).affected() == 1;
}

std::vector<std::string> cancel_of_certificate(db::Executor db, const std::string& certificate_id, const std::string& reason, bool issuances,
                                               bool deployments, bool keep_ordered) {
  const auto result = db.run(R"(
    UPDATE jobs j SET status = 'Cancelled', completed_at = now(), last_error = $2, lease_owner = NULL, lease_expires_at = NULL, updated_at = now()
     WHERE certificate_id = $1
       AND ((type IN ('Issuance', 'Renewal') AND $3::bool AND status IN ('Pending', 'AwaitingCSR', 'AwaitingApproval', 'Running')
             AND NOT ($5::bool AND EXISTS (SELECT 1 FROM issuance_intents i WHERE i.job_id = j.id
                                              AND i.state IN ('submitting', 'ordered', 'issued', 'unknown_outcome'))))
         OR (type IN ('Deployment', 'Validation') AND $4::bool AND status = 'Pending'))
    RETURNING id)", certificate_id, reason, issuances, deployments, keep_ordered);
  std::vector<std::string> ids;
  for (const auto& row : result) ids.push_back(row.text(0));
  return ids;
}

void cancel_waiting_deployments(db::Executor db, const std::string& certificate_id, const std::vector<std::string>& target_ids, const std::string& reason) {
  db.run(R"(UPDATE jobs SET status = 'Cancelled', completed_at = now(), last_error = $3, lease_owner = NULL, lease_expires_at = NULL, updated_at = now()
             WHERE certificate_id = $1 AND target_id = ANY($2::text[]) AND type = 'Deployment'
               AND (status = 'Pending' OR (status = 'Failed' AND retryable AND attempts < max_attempts)))", certificate_id, target_ids, reason);
}

int cancel_of_agent(db::Executor db, const std::string& agent_id, const std::string& reason) {
  return int(db.run(R"(UPDATE jobs SET status = 'Cancelled', completed_at = now(), last_error = $2, lease_owner = NULL,
                              lease_expires_at = NULL, updated_at = now()
                        WHERE agent_id = $1 AND executor = 'agent' AND status IN ('Pending', 'AwaitingCSR', 'AwaitingApproval', 'Running'))",
                    agent_id, reason).affected());
}

void store_report(db::Executor db, const std::string& id, const Report& r) {
  const bool ended = r.status != domain::JobStatus::Running;
  db.run(R"(UPDATE jobs
               SET status = $2, last_error = nullif($3, ''), retryable = $4, next_attempt_at = $5,
                   deployment_result = CASE WHEN $6::jsonb = 'null'::jsonb THEN deployment_result ELSE $6::jsonb END,
                   verification_status = CASE WHEN $7 = '' THEN verification_status ELSE $7 END,
                   verification_fingerprint = CASE WHEN $7 = '' THEN verification_fingerprint ELSE nullif($8, '') END,
                   verification_error = CASE WHEN $7 = '' THEN verification_error ELSE nullif($9, '') END,
                   verified_at = CASE WHEN $7 IN ('success', 'failed') THEN now() ELSE verified_at END,
                   completed_at = CASE WHEN $10::bool THEN now() END,
                   lease_owner = CASE WHEN $10::bool THEN NULL ELSE lease_owner END,
                   lease_expires_at = CASE WHEN $10::bool THEN NULL ELSE lease_expires_at END,
                   updated_at = now()
             WHERE id = $1)",
         id, domain::name_of(r.status), r.error, r.retryable, r.next_attempt_at, r.deployment_result, r.verification_status,
         r.verification_fingerprint, r.verification_error, ended);
}

void store_verification(db::Executor db, const std::string& id, const std::string& status, const std::string& fingerprint,
                        const std::string& error, Time at) {
  db.run(R"(UPDATE jobs SET verification_status = $2, verification_fingerprint = nullif($3, ''), verification_error = nullif($4, ''),
                   verified_at = $5, updated_at = now() WHERE id = $1)", id, status, fingerprint, error, at);
}

std::vector<Swept> retry_due(db::Executor db) {
  return swept(db.run(R"(
    UPDATE jobs j SET status = CASE WHEN executor = 'agent' AND type IN ('Issuance', 'Renewal') THEN 'AwaitingCSR' ELSE 'Pending' END,
           awaiting_since = CASE WHEN executor = 'agent' AND type IN ('Issuance', 'Renewal') THEN now() ELSE awaiting_since END,
           claimable = true, completed_at = NULL, last_error = NULL, updated_at = now()
      FROM (SELECT id FROM jobs WHERE status = 'Failed' AND retryable AND next_attempt_at <= now()
             ORDER BY next_attempt_at, id LIMIT 1000 FOR UPDATE SKIP LOCKED) due
     WHERE j.id = due.id AND j.attempts < j.max_attempts
       AND NOT EXISTS (SELECT 1 FROM jobs o WHERE o.certificate_id = j.certificate_id AND o.id <> j.id
                          AND coalesce(o.agent_id, '') = coalesce(j.agent_id, '') AND j.type IN ('Issuance', 'Renewal')
                          AND o.type IN ('Issuance', 'Renewal') AND o.status IN ('Pending', 'AwaitingCSR', 'AwaitingApproval', 'Running'))
    RETURNING j.id, j.certificate_id, j.type, j.agent_id, 'Failed' AS old_status, j.status AS new_status, j.attempts, j.max_attempts)"));
}

std::int64_t promote_due(db::Executor db) {
  return db.run("UPDATE jobs SET claimable = true, hold_reasons = '{}' WHERE status = 'Pending' AND NOT claimable AND next_attempt_at <= now()").affected();
}

std::vector<Swept> reap_awaiting_csr(db::Executor db, Duration ttl) {
  return swept(db.run(R"(
    UPDATE jobs j SET status = 'Failed', completed_at = now(), last_error = $2, retryable = false, lease_owner = NULL,
           lease_expires_at = NULL, updated_at = now()
     WHERE status = 'AwaitingCSR' AND awaiting_since < now() - $1::interval
    RETURNING j.id, j.certificate_id, j.type, j.agent_id, 'AwaitingCSR' AS old_status, j.status AS new_status, j.attempts, j.max_attempts)",
      ttl, "timed out in AwaitingCSR after " + format_duration(ttl)));
}

std::vector<Swept> reap_leases(db::Executor db) {
  auto out = swept(db.run(R"(
    UPDATE jobs j SET status = 'Pending', lease_owner = NULL, lease_expires_at = NULL, claimable = true, next_attempt_at = NULL, updated_at = now()
      FROM (SELECT id FROM jobs WHERE status = 'Running' AND lease_owner IS NOT NULL AND lease_expires_at < now()
             ORDER BY lease_expires_at LIMIT 1000 FOR UPDATE SKIP LOCKED) old
     WHERE j.id = old.id
    RETURNING j.id, j.certificate_id, j.type, j.agent_id, 'Running' AS old_status, j.status AS new_status, j.attempts, j.max_attempts)"));
  db.run(R"(UPDATE jobs SET lease_owner = NULL, lease_expires_at = NULL
             WHERE status = 'AwaitingCSR' AND lease_owner IS NOT NULL AND lease_expires_at < now())");
  return out;
}

std::int64_t release_server_leases(db::Executor db, const std::string& owner) {
  return db.run(R"(UPDATE jobs SET status = 'Pending', lease_owner = NULL, lease_expires_at = NULL, claimable = true, next_attempt_at = NULL,
                          updated_at = now()
                    WHERE status = 'Running' AND lease_owner IS NOT NULL AND lease_owner = $1)", owner).affected();
}

std::vector<Swept> reap_offline_agents(db::Executor db, Duration silence) {
  return swept(db.run(R"(
    UPDATE jobs j SET status = 'Failed', completed_at = now(), last_error = $2, next_attempt_at = now(), lease_owner = NULL,
           lease_expires_at = NULL, updated_at = now()
      FROM agents a
     WHERE a.id = j.agent_id AND j.executor = 'agent' AND j.status = 'Running' AND NOT a.capabilities @> '["job_lease"]'
       AND a.last_heartbeat_at < now() - $1::interval
    RETURNING j.id, j.certificate_id, j.type, j.agent_id, 'Running' AS old_status, j.status AS new_status, j.attempts, j.max_attempts)",
      silence, "agent offline (no heartbeat for >" + format_duration(silence) + ")"));
}

std::vector<Swept> release_agent_leases(db::Executor db, const std::string& agent_id, const std::string& owner) {
  return swept(db.run(R"(
    UPDATE jobs j SET status = CASE WHEN j.status = 'Running' THEN 'Pending' ELSE j.status END,
           lease_owner = NULL, lease_expires_at = NULL, next_attempt_at = NULL, updated_at = now()
     WHERE agent_id = $1 AND executor = 'agent' AND status IN ('Running', 'AwaitingCSR') AND lease_owner IS NOT NULL AND lease_owner <> $2
    RETURNING j.id, j.certificate_id, j.type, j.agent_id, 'Running' AS old_status, j.status AS new_status, j.attempts, j.max_attempts)",
      agent_id, owner));
}

std::int64_t assign_waiting_csr_jobs(db::Executor db) {
  return db.run(R"(
    UPDATE jobs j SET agent_id = h.agent_id, hold_reasons = '{}', updated_at = now()
      FROM (SELECT DISTINCT ON (w.id) w.id, a.id AS agent_id
              FROM jobs w
              JOIN certificate_target_mappings m ON m.certificate_id = w.certificate_id
              JOIN deployment_targets t ON t.id = m.target_id AND t.retired_at IS NULL
              JOIN agents a ON a.id = t.agent_id AND a.retired_at IS NULL
             WHERE w.status = 'AwaitingCSR' AND w.executor = 'agent' AND w.agent_id IS NULL
             ORDER BY w.id, a.last_heartbeat_at DESC NULLS LAST) h
     WHERE j.id = h.id AND j.agent_id IS NULL)").affected();
}

std::int64_t open_children(db::Executor db, const std::string& parent_id) {
  db.run("SELECT 1 FROM jobs WHERE id = $1 FOR UPDATE", parent_id);
  return db.run("SELECT count(*) FROM jobs WHERE parent_job_id = $1 AND status NOT IN ('Completed', 'Cancelled')", parent_id).front().integer(0);
}

void end_parent(db::Executor db, const std::string& id, domain::JobStatus status, const std::string& error) {
  db.run(R"(UPDATE jobs SET status = $2, completed_at = now(), last_error = nullif($3, ''), retryable = false, updated_at = now()
             WHERE id = $1 AND status NOT IN ('Completed', 'Cancelled', 'Failed'))", id, domain::name_of(status), error);
}

std::optional<Time> next_due(db::Executor db) {
  const auto result = db.run(R"(SELECT least(
      (SELECT min(next_attempt_at) FROM jobs WHERE status = 'Running' AND lease_owner IS NULL),
      (SELECT min(next_attempt_at) FROM jobs WHERE status = 'Pending' AND NOT claimable),
      (SELECT min(next_attempt_at) FROM jobs WHERE status = 'Failed' AND retryable AND attempts < max_attempts)) AS due)");
  return result[0].optional_time("due");
}

}  // namespace certctl::store::jobs
