#pragma once

#include <optional>

#include "core/db/executor.hpp"
#include "core/domain/target.hpp"
#include "core/store/page.hpp"

/// A deleted target stays as a row for the deployment history: `retired_at` without a reason. One that was retired with
/// its agent has the reason given there and can still be read.
namespace certctl::store::targets {

/// Throws db::UniqueViolation (`deployment_targets_pkey`, else the name on its agent) and db::ForeignKeyViolation.
void insert(db::Executor db, const domain::Target& target);
/// nullopt: unknown, or deleted.
std::optional<domain::Target> find(db::Executor db, const std::string& id);
/// Those of `ids` that there are, in no order.
std::vector<domain::Target> find_all(db::Executor db, const std::vector<std::string>& ids);
/// As find(), and holds the row until the transaction ends.
std::optional<domain::Target> find_for_update(db::Executor db, const std::string& id);
/// Live ones, newest first.
Page<domain::Target> list(db::Executor db, const PageRequest& page);
/// Only if the row still has `target.row_version`; false: it was changed or deleted meanwhile.
bool update(db::Executor db, const domain::Target& target);
/// What an agent reported: a deployment ended in a state that a person must mend.
void set_manual_action_required(db::Executor db, const std::string& id, bool required = true);
bool set_test_result(db::Executor db, const std::string& id, domain::TestStatus status, Time at);
/// Ends the row, its mappings and the deployments to it that nobody has begun. False: unknown, or deleted before.
bool remove(db::Executor db, const std::string& id, Time at);

}  // namespace certctl::store::targets
