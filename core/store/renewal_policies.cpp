#include "core/store/renewal_policies.hpp"

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

}  // namespace certctl::store::renewal_policies
