#pragma once

#include <optional>

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

}  // namespace certctl::store::renewal_policies
