#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/db/executor.hpp"

/// Small look-ups across aggregates that guard an issuance.
namespace certctl::store::references {

struct Wanted {
  std::string owner_id, team_id, issuer_id, renewal_policy_id, certificate_profile_id;
  std::vector<std::string> target_ids;
};
struct Missing {
  std::string field, thing, id;
};
/// The first reference that leads nowhere (a retired target counts as gone); one statement.
std::optional<Missing> missing(db::Executor db, const Wanted& wanted);

struct ProfileGate {
  std::string name;
  bool enabled = true;
  bool requires_approval = false;
  bool blocks() const { return !enabled || requires_approval; }
};
/// nullopt: the certificate has no profile.
std::optional<ProfileGate> profile_gate(db::Executor db, const std::string& profile_id);

int max_retries(db::Executor db, const std::string& renewal_policy_id);

}  // namespace certctl::store::references
