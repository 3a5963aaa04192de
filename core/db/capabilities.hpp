#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.hpp"

namespace certctl::db {

class Database;

/// What the engine behind the connection can do; each may be missing, the product then takes another way.
struct Capabilities {
  bool notify = true;              ///< LISTEN/NOTIFY; else polling each second
  bool advisory = true;            ///< session advisory locks; else lease `migrate`
  bool skip_locked = true;         ///< FOR UPDATE SKIP LOCKED
  bool unlogged = true;            ///< UNLOGGED tables
  bool statement_triggers = true;  ///< statement triggers with transition tables
  bool partitions = true;          ///< declarative partitions
  bool trgm = true;                ///< extension pg_trgm is there or can be made

  json::Raw to_json() const;
  /// Names of those that are off.
  std::vector<std::string> missing() const;
};

/// Tries each on throw-away temporary objects; those named in `off` count as missing untried.
/// Throws Error(invalid) for an unknown name in `off`.
Capabilities probe_capabilities(Database& database, const std::vector<std::string>& off);

}  // namespace certctl::db
