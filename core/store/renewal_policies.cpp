#include "core/store/renewal_policies.hpp"

#include "core/base/time.hpp"
#include "core/store/rows.hpp"

namespace certctl::store::renewal_policies {
namespace {

using domain::RenewalPolicy;

std::optional<std::string> profile_of(const RenewalPolicy& policy) {
  if (policy.certificate_profile_id.empty()) return std::nullopt;
  return policy.certificate_profile_id;
}

}  // namespace

bool insert(db::Executor db, const RenewalPolicy& policy) {
  return db.run(R"(INSERT INTO renewal_policies (id, name, renewal_window_days, auto_renew, max_retries, retry_interval_seconds,
                          alert_thresholds_days, certificate_profile_id, alert_channels, alert_severity_map,
                          renewal_window_percent, renewal_window_strict, jitter_percent, created_at, updated_at)
                   VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9::jsonb, $10::jsonb, $11, $12, $13, $14, $14)
                   ON CONFLICT (id) DO NOTHING)",
                policy.id, policy.name, policy.renewal_window_days, policy.auto_renew, policy.max_retries,
                policy.retry_interval_seconds, to_jsonb(policy.alert_thresholds_days), profile_of(policy), policy.alert_channels,
                policy.alert_severity_map, policy.renewal_window_percent, policy.renewal_window_strict, policy.jitter_percent,
                policy.created_at).affected() == 1;
}

std::optional<RenewalPolicy> find(db::Executor db, const std::string& id) {
  return from_first<RenewalPolicy>(db.run("SELECT * FROM renewal_policies WHERE id = $1", id));
}

std::optional<RenewalPolicy> find_for_update(db::Executor db, const std::string& id) {
  return from_first<RenewalPolicy>(db.run("SELECT * FROM renewal_policies WHERE id = $1 FOR UPDATE", id));
}

Page<RenewalPolicy> list(db::Executor db, const PageRequest& page) {
  return {from_rows<RenewalPolicy>(db.run("SELECT * FROM renewal_policies ORDER BY name, id LIMIT $1::bigint OFFSET $2::bigint",
                                          page.per_page, page.offset())),
          db.run("SELECT count(*) FROM renewal_policies").front().integer(0)};
}

bool update(db::Executor db, const RenewalPolicy& policy) {
  return db.run(R"(UPDATE renewal_policies
                      SET name = $2, renewal_window_days = $3, auto_renew = $4, max_retries = $5, retry_interval_seconds = $6,
                          alert_thresholds_days = $7::jsonb, certificate_profile_id = $8, alert_channels = $9::jsonb,
                          alert_severity_map = $10::jsonb, renewal_window_percent = $11, renewal_window_strict = $12,
                          jitter_percent = $13, updated_at = now(), row_version = row_version + 1
                    WHERE id = $1)",
                policy.id, policy.name, policy.renewal_window_days, policy.auto_renew, policy.max_retries,
                policy.retry_interval_seconds, to_jsonb(policy.alert_thresholds_days), profile_of(policy), policy.alert_channels,
                policy.alert_severity_map, policy.renewal_window_percent, policy.renewal_window_strict,
                policy.jitter_percent).affected() == 1;
}

bool remove(db::Executor db, const std::string& id) {
  return db.run("DELETE FROM renewal_policies WHERE id = $1", id).affected() == 1;
}

std::int64_t certificates_of(db::Executor db, const std::string& id) {
  return db.run("SELECT count(*) FROM managed_certificates WHERE renewal_policy_id = $1", id).front().integer(0);
}

std::vector<Scheduled> scheduled(db::Executor db, const std::string& id, const std::string& after, int limit) {
  const auto result = db.run(R"(SELECT c.id, v.id AS version_id, v.not_before, v.not_after
                                  FROM managed_certificates c JOIN certificate_versions v ON v.id = c.current_version_id
                                 WHERE c.renewal_policy_id = $1 AND c.id > $2 AND c.status IN ('Active', 'Expiring', 'Expired')
                                   AND c.renewal_source IN ('policy', 'percent')
                                 ORDER BY c.id LIMIT $3::int)", id, after, limit);
  std::vector<Scheduled> out;
  out.reserve(std::size_t(result.size()));
  for (const auto& row : result) out.push_back({row.text(0), row.text(1), row.time(2), row.time(3), {}, {}});
  return out;
}

void reschedule(db::Executor db, const std::vector<Scheduled>& certificates) {
  std::vector<std::string> ids, versions, times, sources;
  for (const auto& certificate : certificates) {
    ids.push_back(certificate.certificate_id);
    versions.push_back(certificate.version_id);
    times.push_back(format_time(certificate.renew_after));
    sources.push_back(certificate.source);
  }
  db.run(R"(UPDATE managed_certificates c SET renew_after = n.at::timestamptz, renewal_source = n.source
              FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS n (id, version, at, source)
             WHERE c.id = n.id AND c.current_version_id = n.version)", ids, versions, times, sources);
}

}  // namespace certctl::store::renewal_policies
