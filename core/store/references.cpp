#include "core/store/references.hpp"

namespace certctl::store::references {

std::optional<Missing> missing(db::Executor db, const Wanted& w) {
  const auto result = db.run(R"(
    SELECT field, thing, id FROM (VALUES
             (1, 'owner_id', 'owner', $1::text, EXISTS (SELECT 1 FROM owners WHERE id = $1)),
             (2, 'team_id', 'team', $2::text, EXISTS (SELECT 1 FROM teams WHERE id = $2)),
             (3, 'issuer_id', 'issuer', $3::text, EXISTS (SELECT 1 FROM issuers WHERE id = $3)),
             (4, 'renewal_policy_id', 'renewal policy', $4::text, EXISTS (SELECT 1 FROM renewal_policies WHERE id = $4)),
             (5, 'certificate_profile_id', 'profile', $5::text, $5 = '' OR EXISTS (SELECT 1 FROM certificate_profiles WHERE id = $5)))
           AS r(position, field, thing, id, there)
     WHERE NOT there
     UNION ALL
    SELECT 'target_ids', 'target', w.id FROM unnest($6::text[]) AS w(id)
     WHERE NOT EXISTS (SELECT 1 FROM deployment_targets t WHERE t.id = w.id AND t.retired_at IS NULL)
     LIMIT 1)", w.owner_id, w.team_id, w.issuer_id, w.renewal_policy_id, w.certificate_profile_id, w.target_ids);
  if (result.empty()) return std::nullopt;
  return Missing{result[0].text(0), result[0].text(1), result[0].text(2)};
}

std::optional<ProfileGate> profile_gate(db::Executor db, const std::string& profile_id) {
  if (profile_id.empty()) return std::nullopt;
  const auto result = db.run("SELECT name, enabled, requires_approval FROM certificate_profiles WHERE id = $1", profile_id);
  if (result.empty()) return std::nullopt;
  return ProfileGate{result[0].text("name"), result[0].flag("enabled"), result[0].flag("requires_approval")};
}

int max_retries(db::Executor db, const std::string& renewal_policy_id) {
  const auto result = db.run("SELECT max_retries FROM renewal_policies WHERE id = $1", renewal_policy_id);
  return result.empty() ? 3 : int(result[0].integer(0));
}

}  // namespace certctl::store::references
