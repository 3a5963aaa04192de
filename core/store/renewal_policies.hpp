#pragma once

#include <optional>

#include <string>
#include <vector>

#include "core/db/executor.hpp"
#include "core/domain/renewal_policy.hpp"
#include "core/store/page.hpp"

namespace certctl::store::renewal_policies {

/// False: the id is taken. Throws db::UniqueViolation (`renewal_policies_name_key`) and db::ForeignKeyViolation (profile).
bool insert(db::Executor db, const domain::RenewalPolicy& policy);
std::optional<domain::RenewalPolicy> find(db::Executor db, const std::string& id);
/// As find(), and holds the row until the transaction ends.
std::optional<domain::RenewalPolicy> find_for_update(db::Executor db, const std::string& id);
/// By name.
Page<domain::RenewalPolicy> list(db::Executor db, const PageRequest& page);
bool update(db::Executor db, const domain::RenewalPolicy& policy);
/// Throws db::ForeignKeyViolation while certificates refer to it.
bool remove(db::Executor db, const std::string& id);
std::int64_t certificates_of(db::Executor db, const std::string& id);

/// A certificate whose renewal time follows from the policy (not from ARI, a campaign or a person's wish).
struct Scheduled {
  std::string certificate_id, version_id;
  Time not_before{}, not_after{};
  Time renew_after{};
  std::string source;
};
/// The policy's next `limit` certificates behind `after`, by id; their renewal times are for the caller to compute.
std::vector<Scheduled> scheduled(db::Executor db, const std::string& id, const std::string& after, int limit);
/// One statement for all; certificates that have another version by now are left alone.
void reschedule(db::Executor db, const std::vector<Scheduled>& certificates);

}  // namespace certctl::store::renewal_policies
