#include "core/store/renewals.hpp"

namespace certctl::store::renewals {

std::vector<Due> take_due(db::Executor db, int limit, bool renew_expired) {
  const auto result = db.run(R"(
    SELECT c.id, c.issuer_id, p.max_retries, c.expires_at <= now() AS expired,
           c.expires_at - now() < (v.not_after - v.not_before) / 10 AS urgent,
           trunc(extract(epoch FROM c.expires_at - now()) / 86400)::bigint AS days_left
      FROM managed_certificates c
      JOIN renewal_policies p ON p.id = c.renewal_policy_id
      JOIN certificate_versions v ON v.id = c.current_version_id
      LEFT JOIN certificate_profiles f ON f.id = c.certificate_profile_id
     WHERE c.status IN ('Active', 'Expiring', 'Expired') AND c.renew_after <= now()
       AND (c.status <> 'Expired' OR $2::bool) AND p.auto_renew AND coalesce(c.source, '') NOT IN ('ACME', 'EST', 'SCEP')
       AND (c.renew_not_before IS NULL OR c.renew_not_before <= now())
       AND coalesce(f.enabled, true) AND NOT coalesce(f.requires_approval, false)
       AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.certificate_id = c.id AND j.type IN ('Issuance', 'Renewal')
                          AND j.status IN ('Pending', 'AwaitingCSR', 'AwaitingApproval', 'Running'))
     ORDER BY c.renew_after, c.id LIMIT $1::int FOR UPDATE OF c SKIP LOCKED)", limit, renew_expired);
  std::vector<Due> due;
  for (const auto& row : result) {
    due.push_back({row.text("id"), row.text("issuer_id"), row.flag("expired"), row.flag("expired") || row.flag("urgent"),
                   int(row.integer("max_retries")), row.integer("days_left")});
  }
  return due;
}

void started(db::Executor db, const std::vector<std::string>& ids) {
  if (ids.empty()) return;
  db.run(R"(UPDATE managed_certificates SET status = 'RenewalInProgress', updated_at = now(), row_version = row_version + 1
             WHERE id = ANY($1::text[]) AND status IN ('Active', 'Expiring', 'Expired'))", ids);
}

std::optional<Time> next_due(db::Executor db) {
  return db.run(R"(SELECT min(greatest(renew_after, coalesce(renew_not_before, renew_after))) AS due FROM managed_certificates
                    WHERE status IN ('Active', 'Expiring', 'Expired') AND renew_after > now())").front().optional_time("due");
}

Changed update_statuses(db::Executor db) {
  Changed changed;
  const auto expired = db.run(R"(UPDATE managed_certificates SET status = 'Expired', updated_at = now(), row_version = row_version + 1
                                  WHERE status IN ('Active', 'Expiring') AND expires_at <= now() RETURNING id)");
  for (const auto& row : expired) changed.expired.push_back(row.text(0));
  const auto expiring = db.run(R"(UPDATE managed_certificates SET status = 'Expiring', updated_at = now(), row_version = row_version + 1
                                   WHERE status = 'Active' AND expires_at <= now() + interval '30 days' AND expires_at > now()
                                     AND (renew_after IS NULL OR renew_after <= now() OR expires_at - renew_after > interval '27 days'))");
  changed.count = expired.affected() + expiring.affected();
  return changed;
}

}  // namespace certctl::store::renewals
