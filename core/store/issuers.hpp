#pragma once

#include <optional>

#include "core/db/executor.hpp"
#include "core/domain/issuer.hpp"
#include "core/store/page.hpp"

namespace certctl::store::issuers {

/// Throws db::UniqueViolation (`issuers_pkey`, `issuers_name_key`).
void insert(db::Executor db, const domain::Issuer& issuer);
/// Only into an empty table; false: there was an issuer.
bool seed(db::Executor db, const domain::Issuer& issuer);
bool any(db::Executor db);
std::optional<domain::Issuer> find(db::Executor db, const std::string& id);
/// As find(), and holds the row until the transaction ends.
std::optional<domain::Issuer> find_for_update(db::Executor db, const std::string& id);
/// Newest first.
Page<domain::Issuer> list(db::Executor db, const PageRequest& page);
/// Only if the row still has `issuer.row_version`; false: it was changed or deleted meanwhile.
bool update(db::Executor db, const domain::Issuer& issuer);
/// Leaves `row_version` alone: the connection's settings are what they were.
bool set_test_result(db::Executor db, const std::string& id, domain::TestStatus status, Time at);
/// Throws db::ForeignKeyViolation while anything refers to it; its own CA generations go with it.
bool remove(db::Executor db, const std::string& id);

struct Dependants {
  std::int64_t certificates = 0;
  std::int64_t versions = 0;
  std::int64_t revocations = 0;
  std::int64_t intermediate_cas = 0;
  std::int64_t open_intents = 0;
  std::int64_t unexpired = 0;  ///< certificates that an own CA signed and that are still valid
  bool any() const { return certificates + versions + revocations + intermediate_cas + open_intents + unexpired != 0; }
};
Dependants dependants(db::Executor db, const std::string& id);

}  // namespace certctl::store::issuers
