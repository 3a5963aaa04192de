#pragma once

#include <optional>

#include "core/db/executor.hpp"
#include "core/domain/organisation.hpp"
#include "core/store/page.hpp"

namespace certctl::store::teams {

/// Throws db::UniqueViolation (`teams_pkey`, `teams_name_key`).
void insert(db::Executor db, const domain::Team& team);
std::optional<domain::Team> find(db::Executor db, const std::string& id);
store::Page<domain::Team> list(db::Executor db, const PageRequest& page);
std::int64_t count(db::Executor db);
bool update(db::Executor db, const domain::Team& team);
/// Throws db::ForeignKeyViolation while owners or certificates belong to it.
bool remove(db::Executor db, const std::string& id);
struct Dependants {
  std::int64_t certificates = 0, owners = 0;
};
Dependants dependants(db::Executor db, const std::string& id);

}  // namespace certctl::store::teams

namespace certctl::store::owners {

void insert(db::Executor db, const domain::Owner& owner);
std::optional<domain::Owner> find(db::Executor db, const std::string& id);
store::Page<domain::Owner> list(db::Executor db, const PageRequest& page);
std::int64_t count(db::Executor db);
bool update(db::Executor db, const domain::Owner& owner);
bool remove(db::Executor db, const std::string& id);
std::int64_t certificates_of(db::Executor db, const std::string& id);

}  // namespace certctl::store::owners
