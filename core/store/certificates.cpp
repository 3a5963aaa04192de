#include "core/store/certificates.hpp"

#include <fmt/format.h>

#include <array>

#include "core/base/text.hpp"
#include "core/store/rows.hpp"

namespace certctl::store::certificates {
namespace {

using domain::Certificate;

constexpr std::string_view kSelect = R"(
  SELECT c.*, v.serial_number, v.fingerprint_sha256,
         ARRAY(SELECT m.target_id FROM certificate_target_mappings m WHERE m.certificate_id = c.id ORDER BY m.target_id) AS target_ids
    FROM managed_certificates c
    LEFT JOIN certificate_versions v ON v.id = c.current_version_id)";

std::optional<std::string> given(const std::string& text) { return text.empty() ? std::optional<std::string>() : text; }

/// What the free-text search looks in: name, common name and SANs in lower case.
std::string search_text(const Certificate& certificate) {
  std::string text = lower(certificate.name) + ' ' + lower(certificate.common_name);
  for (const auto& san : certificate.sans) text += ' ' + lower(san);
  return text;
}

}  // namespace

void insert(db::Executor db, const Certificate& c) {
  db.run(R"(INSERT INTO managed_certificates
              (id, name, common_name, sans, environment, owner_id, team_id, issuer_id, renewal_policy_id,
               certificate_profile_id, status, expires_at, tags, source, deployment_state, search, created_at, updated_at)
            VALUES ($1, $2, $3, $4::text[], $5, $6, $7, $8, $9, $10, $11, $12, $13::jsonb, $14, $15, $16, $17, $17))",
         c.id, c.name, c.common_name, c.sans, c.environment, c.owner_id, c.team_id, c.issuer_id, c.renewal_policy_id,
         given(c.certificate_profile_id), c.status.text(), static_cast<const std::optional<Time>&>(c.expires_at), to_jsonb(c.tags),
         static_cast<const std::string&>(c.source), c.target_ids.empty() ? "none" : "pending", search_text(c), c.created_at);
  if (!c.target_ids.empty()) replace_targets(db, c.id, c.target_ids);
}

std::optional<Certificate> find(db::Executor db, const std::string& id) {
  static const std::string sql = std::string(kSelect) + " WHERE c.id = $1";
  return from_first<Certificate>(db.run(sql, id));
}

std::vector<Certificate> find_all(db::Executor db, const std::vector<std::string>& ids) {
  if (ids.empty()) return {};
  static const std::string sql = std::string(kSelect) + " WHERE c.id = ANY ($1::text[])";
  return from_rows<Certificate>(db.run(sql, ids));
}

std::optional<Certificate> find_for_update(db::Executor db, const std::string& id) {
  static const std::string sql = std::string(kSelect) + " WHERE c.id = $1 FOR UPDATE OF c";
  return from_first<Certificate>(db.run(sql, id));
}

std::string sort_column(std::string_view key) {
  struct Key { std::string_view wire, snake, column; };
  static constexpr std::array kKeys = {
      Key{"notAfter", "not_after", "expires_at"},      Key{"expiresAt", "expires_at", "expires_at"},
      Key{"createdAt", "created_at", "created_at"},    Key{"updatedAt", "updated_at", "updated_at"},
      Key{"commonName", "common_name", "common_name"}, Key{"name", "name", "name"},
      Key{"status", "status", "status"},               Key{"environment", "environment", "environment"}};
  for (const auto& k : kKeys) {
    if (key == k.wire || key == k.snake) return std::string(k.column);
  }
  return {};
}

Page<Certificate> list(db::Executor db, const Filter& f, const PageRequest& page) {
  // The sort column comes from sort_column()'s list, never from a request.
  const std::string where = R"(
    WHERE ($1::text IS NULL OR c.status = $1) AND ($2::text IS NULL OR c.environment = $2)
      AND ($3::text IS NULL OR c.owner_id = $3) AND ($4::text IS NULL OR c.team_id = $4)
      AND ($5::text IS NULL OR c.issuer_id = $5) AND ($6::text IS NULL OR c.certificate_profile_id = $6)
      AND ($7::text IS NULL OR EXISTS (SELECT 1 FROM certificate_target_mappings m JOIN deployment_targets t ON t.id = m.target_id
                                        WHERE m.certificate_id = c.id AND t.agent_id = $7))
      AND ($8::timestamptz IS NULL OR c.expires_at < $8) AND ($9::timestamptz IS NULL OR c.expires_at > $9)
      AND ($10::timestamptz IS NULL OR c.created_at > $10) AND ($11::timestamptz IS NULL OR c.updated_at > $11))";
  const std::string direction = f.descending ? " DESC" : "";
  const std::string sql = std::string(kSelect) + where +
      fmt::format(" ORDER BY c.{}{}, c.id{} LIMIT $12::bigint OFFSET $13::bigint", f.sort, direction, direction);
  const std::string count = "SELECT count(*) FROM managed_certificates c" + where;
  const auto rows = db.run(sql, given(f.status), given(f.environment), given(f.owner_id), given(f.team_id), given(f.issuer_id),
                           given(f.profile_id), given(f.agent_id), f.expires_before, f.expires_after, f.created_after,
                           f.updated_after, page.per_page, page.offset());
  const auto total = db.run(count, given(f.status), given(f.environment), given(f.owner_id), given(f.team_id), given(f.issuer_id),
                            given(f.profile_id), given(f.agent_id), f.expires_before, f.expires_after, f.created_after, f.updated_after);
  return {from_rows<Certificate>(rows), total[0].integer(0)};
}

bool update(db::Executor db, const Certificate& c) {
  return db.run(R"(UPDATE managed_certificates
                      SET name = $2, common_name = $3, sans = $4::text[], environment = $5, owner_id = $6, team_id = $7,
                          issuer_id = $8, renewal_policy_id = $9, certificate_profile_id = $10, tags = $11::jsonb, search = $12,
                          updated_at = now(), row_version = row_version + 1
                    WHERE id = $1)",
                c.id, c.name, c.common_name, c.sans, c.environment, c.owner_id, c.team_id, c.issuer_id, c.renewal_policy_id,
                given(c.certificate_profile_id), to_jsonb(c.tags), search_text(c)).affected() == 1;
}

void replace_targets(db::Executor db, const std::string& id, const std::vector<std::string>& target_ids) {
  db.run("DELETE FROM certificate_target_mappings WHERE certificate_id = $1 AND NOT target_id = ANY($2::text[])", id, target_ids);
  db.run(R"(INSERT INTO certificate_target_mappings (certificate_id, target_id)
            SELECT $1, t FROM unnest($2::text[]) AS t ON CONFLICT DO NOTHING)", id, target_ids);
}

void add_target(db::Executor db, const std::string& id, const std::string& target_id) {
  db.run("INSERT INTO certificate_target_mappings (certificate_id, target_id) VALUES ($1, $2) ON CONFLICT DO NOTHING", id, target_id);
}

bool change_status(db::Executor db, const std::string& id, const std::vector<std::string>& from, domain::CertificateStatus to) {
  return db.run(R"(UPDATE managed_certificates SET status = $3, updated_at = now(), row_version = row_version + 1
                    WHERE id = $1 AND status = ANY($2::text[]))",
                id, from, domain::name_of(to)).affected() == 1;
}

std::vector<KeyHolder> key_holders(db::Executor db, const std::vector<std::string>& ids) {
  const auto result = db.run(
      R"(SELECT m.certificate_id, a.id, coalesce(bool_or(a.last_heartbeat_at > now() - interval '5 minutes'), false) AS live
           FROM certificate_target_mappings m
           JOIN deployment_targets t ON t.id = m.target_id AND t.retired_at IS NULL
           JOIN agents a ON a.id = t.agent_id AND a.retired_at IS NULL
          WHERE m.certificate_id = ANY($1::text[])
          GROUP BY m.certificate_id, a.id ORDER BY m.certificate_id, a.id)", ids);
  std::vector<KeyHolder> holders;
  for (const auto& row : result) holders.push_back({row.text(0), row.text(1), row.flag(2)});
  return holders;
}

std::vector<DeployableTarget> deployable_targets(db::Executor db, const std::string& id, const std::string& agent_id, const std::string& target_id) {
  const auto result = db.run(
      R"(SELECT t.id, t.agent_id FROM certificate_target_mappings m JOIN deployment_targets t ON t.id = m.target_id
          WHERE m.certificate_id = $1 AND t.retired_at IS NULL AND t.enabled
            AND ($2 = '' OR t.agent_id = $2) AND ($3 = '' OR t.id = $3)
          ORDER BY t.id)", id, agent_id, target_id);
  std::vector<DeployableTarget> targets;
  for (const auto& row : result) targets.push_back({row.text(0), row.text(1)});
  return targets;
}

void mark_mappings(db::Executor db, const std::string& id, const std::vector<std::string>& target_ids, const std::string& version_id) {
  db.run(R"(UPDATE certificate_target_mappings SET state = 'pending', version_id = $3, job_id = NULL
             WHERE certificate_id = $1 AND target_id = ANY($2::text[]))", id, target_ids, version_id);
  roll_up_deployment(db, id);
}

void store_mapping_result(db::Executor db, const MappingResult& r) {
  const std::string state(domain::name_of(r.state));
  db.run(R"(UPDATE certificate_target_mappings
               SET state = $3, job_id = $4, served_fingerprint = coalesce(nullif($5, ''), served_fingerprint),
                   deployed_at = CASE WHEN $3 IN ('deployed', 'verified') THEN now() ELSE deployed_at END,
                   verified_at = CASE WHEN $3 = 'verified' THEN now() ELSE verified_at END,
                   drifted_at = CASE WHEN $3 IN ('deployed', 'verified') THEN NULL ELSE drifted_at END,
                   manual_action_required = $6::bool
             WHERE certificate_id = $1 AND target_id = $2)",
         r.certificate_id, r.target_id, state, r.job_id, r.served_fingerprint, r.manual_action_required);
  roll_up_deployment(db, r.certificate_id);
}

void settle_status(db::Executor db, const std::string& id, const std::string& last_error) {
  db.run(R"(UPDATE managed_certificates c
               SET status = CASE WHEN c.current_version_id IS NULL THEN 'Failed'
                                 WHEN c.expires_at <= now() THEN 'Expired'
                                 WHEN c.expires_at <= now() + interval '30 days' THEN 'Expiring'
                                 ELSE 'Active' END,
                   last_error = $2, updated_at = now(), row_version = row_version + 1
             WHERE id = $1 AND status IN ('RenewalInProgress', 'Pending'))", id, last_error);
}

void set_renew_not_before(db::Executor db, const std::string& id, Time time) {
  db.run("UPDATE managed_certificates SET renew_not_before = $2 WHERE id = $1", id, time);
}

bool activate(db::Executor db, const Renewed& r, bool over_revocation, bool complete) {
  return db.run(R"(UPDATE managed_certificates
                      SET status = CASE WHEN $8::bool THEN 'Active' ELSE status END, expires_at = $2, last_renewal_at = $3,
                          current_version_id = $4, renew_after = $5, renewal_source = $6, renew_not_before = NULL, last_error = '',
                          revoked_at = NULL, revocation_reason = NULL, updated_at = now(), row_version = row_version + 1
                    WHERE id = $1 AND (status NOT IN ('Revoked', 'Archived') OR ($7::bool AND status = 'Revoked')))",
                r.id, r.not_after, r.renewed_at, r.version_id, r.renew_after, r.renewal_source, over_revocation, complete).affected() == 1;
}

bool belongs_to_agent(db::Executor db, const std::string& id, const std::string& agent_id) {
  return db.run(R"(SELECT EXISTS (SELECT 1 FROM certificate_target_mappings m JOIN deployment_targets t ON t.id = m.target_id
                                   WHERE m.certificate_id = $1 AND t.agent_id = $2)
                       OR EXISTS (SELECT 1 FROM certificate_versions v WHERE v.certificate_id = $1 AND v.agent_id = $2))", id, agent_id).front().flag(0);
}

std::vector<domain::Target> targets_of(db::Executor db, const std::string& id) {
  return from_rows<domain::Target>(db.run(R"(SELECT t.* FROM deployment_targets t JOIN certificate_target_mappings m ON m.target_id = t.id
                                              WHERE m.certificate_id = $1 ORDER BY t.created_at DESC, t.id)", id));
}

void roll_up_deployment(db::Executor db, const std::string& id) {
  db.run(R"(UPDATE managed_certificates c SET deployment_state = s.state
              FROM (SELECT CASE WHEN count(*) = 0 THEN 'none'
                                WHEN bool_or(m.state = 'failed') THEN 'failed'
                                WHEN bool_or(m.state IN ('pending', 'deploying')) THEN 'pending'
                                WHEN bool_or(m.drifted_at IS NOT NULL) THEN 'drifted'
                                WHEN bool_or(m.state = 'skipped') AND bool_or(m.state IN ('verified', 'deployed')) THEN 'partial'
                                ELSE 'deployed' END AS state
                      FROM certificate_target_mappings m WHERE m.certificate_id = $1) s
             WHERE c.id = $1 AND c.deployment_state <> s.state)", id);
}

void set_last_deployment(db::Executor db, const std::string& id, Time at) {
  db.run("UPDATE managed_certificates SET last_deployment_at = $2 WHERE id = $1", id, at);
}

}  // namespace certctl::store::certificates
