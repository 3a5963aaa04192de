#include "core/store/agents.hpp"

#include "core/store/rows.hpp"

namespace certctl::store::agents {

using domain::Agent;

void insert(db::Executor db, const Agent& a, const std::string& api_key_hash) {
  db.run(R"(INSERT INTO agents (id, name, hostname, status, last_heartbeat_at, registered_at, api_key_hash, os, architecture, ip_address, version)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11))",
         a.id, a.name, a.hostname, a.status.text(), a.last_heartbeat_at, a.registered_at, api_key_hash, a.os, a.architecture, a.ip_address, a.version);
}

std::optional<Agent> find(db::Executor db, const std::string& id) {
  return from_first<Agent>(db.run("SELECT * FROM agents WHERE id = $1", id));
}

std::optional<Agent> find_for_update(db::Executor db, const std::string& id) {
  return from_first<Agent>(db.run("SELECT * FROM agents WHERE id = $1 FOR UPDATE", id));
}

Page<Agent> list(db::Executor db, const Filter& f, const PageRequest& page) {
  const auto status = f.status.empty() ? std::optional<std::string>() : f.status;
  const auto rows = db.run(R"(SELECT * FROM agents WHERE (retired_at IS NOT NULL) = $1::bool AND ($2::text IS NULL OR lower(status) = lower($2))
                               ORDER BY retired_at DESC, registered_at DESC, id LIMIT $3::bigint OFFSET $4::bigint)",
                           f.retired, status, page.per_page, page.offset());
  const auto total = db.run("SELECT count(*) FROM agents WHERE (retired_at IS NOT NULL) = $1::bool AND ($2::text IS NULL OR lower(status) = lower($2))",
                            f.retired, status);
  return {from_rows<Agent>(rows), total.front().integer(0)};
}

std::optional<KeyOwner> find_by_key(db::Executor db, const std::string& hash) {
  const auto present = db.run("SELECT id, retired_at IS NOT NULL AS retired FROM agents WHERE api_key_hash = $1", hash);
  if (!present.empty()) return KeyOwner{present[0].text("id"), present[0].flag("retired")};
  const auto next = db.run(R"(UPDATE agents SET api_key_hash = api_key_hash_next, api_key_hash_next = NULL, api_key_next_expires_at = NULL
                               WHERE api_key_hash_next = $1 AND api_key_next_expires_at > now()
                           RETURNING id, retired_at IS NOT NULL AS retired)", hash);
  if (next.empty()) return std::nullopt;
  return KeyOwner{next[0].text("id"), next[0].flag("retired")};
}

void set_next_key(db::Executor db, const std::string& id, const std::string& hash, Time expires_at) {
  db.run("UPDATE agents SET api_key_hash_next = $2, api_key_next_expires_at = $3 WHERE id = $1", id, hash, expires_at);
}

bool heartbeat(db::Executor db, const std::string& id, const Heartbeat& b) {
  return db.run(R"(UPDATE agents
                      SET last_heartbeat_at = now(), status = 'Online',
                          version = coalesce(nullif($2, ''), version), hostname = coalesce(nullif($3, ''), hostname),
                          os = coalesce(nullif($4, ''), os), architecture = coalesce(nullif($5, ''), architecture),
                          ip_address = coalesce(nullif($6, ''), ip_address),
                          capabilities = coalesce($7::jsonb, capabilities), plugins = coalesce($8::jsonb, plugins),
                          clock_skew_ms = coalesce($9::int, clock_skew_ms), pending_reports = coalesce($10::int, pending_reports),
                          started_at = coalesce($11::timestamptz, started_at)
                    WHERE id = $1 AND retired_at IS NULL)",
                id, b.version, b.hostname, b.os, b.architecture, b.ip_address,
                b.capabilities ? std::optional<json::Raw>(to_jsonb(*b.capabilities)) : std::nullopt, b.plugins, b.clock_skew_ms,
                b.pending_reports, b.started_at).affected() == 1;
}

std::vector<std::string> mark_offline(db::Executor db, Duration silence) {
  const auto result = db.run(R"(UPDATE agents SET status = 'Offline'
                                 WHERE status = 'Online' AND retired_at IS NULL AND api_key_hash <> '' AND last_heartbeat_at < now() - $1::interval
                                   AND id NOT IN ('server-scanner', 'cloud-aws-sm', 'cloud-azure-kv', 'cloud-gcp-sm')
                             RETURNING id)", silence);
  std::vector<std::string> ids;
  for (const auto& row : result) ids.push_back(row.text(0));
  return ids;
}

Dependants dependants(db::Executor db, const std::string& id) {
  const auto row = db.run(R"(
    SELECT (SELECT count(*) FROM deployment_targets WHERE agent_id = $1 AND retired_at IS NULL) AS targets,
           (SELECT count(DISTINCT c.id) FROM managed_certificates c JOIN certificate_target_mappings m ON m.certificate_id = c.id
              JOIN deployment_targets t ON t.id = m.target_id
             WHERE t.agent_id = $1 AND t.retired_at IS NULL AND c.status NOT IN ('Archived', 'Revoked')) AS certificates,
           (SELECT count(*) FROM jobs WHERE agent_id = $1 AND executor = 'agent' AND status IN ('Pending', 'AwaitingCSR', 'AwaitingApproval', 'Running')) AS jobs)",
                          id).front();
  return {row.integer("targets"), row.integer("certificates"), row.integer("jobs")};
}

void retire(db::Executor db, const std::string& id, Time at, const std::string& reason) {
  db.run("UPDATE agents SET retired_at = $2, retired_reason = nullif($3, ''), status = 'Offline' WHERE id = $1", id, at, reason);
}

void retire_targets(db::Executor db, const std::string& id, Time at, const std::string& reason) {
  db.run("UPDATE deployment_targets SET retired_at = $2, retired_reason = $3, updated_at = now() WHERE agent_id = $1 AND retired_at IS NULL",
         id, at, reason);
}

}  // namespace certctl::store::agents
