#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/db/executor.hpp"
#include "core/domain/certificate.hpp"
#include "core/domain/target.hpp"
#include "core/store/page.hpp"

namespace certctl::store::certificates {

/// Row and target mappings. Throws db::UniqueViolation (`managed_certificates_name_key`, `…_pkey`) and
/// db::ForeignKeyViolation.
void insert(db::Executor db, const domain::Certificate& certificate);

std::optional<domain::Certificate> find(db::Executor db, const std::string& id);
/// Those of `ids` that there are, in no order.
std::vector<domain::Certificate> find_all(db::Executor db, const std::vector<std::string>& ids);
/// As find(), and holds the row until the transaction ends.
std::optional<domain::Certificate> find_for_update(db::Executor db, const std::string& id);

struct Filter {
  std::string status, environment, owner_id, team_id, issuer_id, profile_id, agent_id;
  std::optional<Time> expires_before, expires_after, created_after, updated_after;
  std::string sort = "created_at";  ///< a column of `kSortColumns`
  bool descending = false;
};
/// Wire name of a sort key → column; empty: unknown.
std::string sort_column(std::string_view key);
Page<domain::Certificate> list(db::Executor db, const Filter& filter, const PageRequest& page);

/// The fields that PUT may change; false: no such row.
bool update(db::Executor db, const domain::Certificate& certificate);
void replace_targets(db::Executor db, const std::string& id, const std::vector<std::string>& target_ids);

/// Maps one more target; nothing happens if it is mapped.
void add_target(db::Executor db, const std::string& id, const std::string& target_id);

/// `status` changes only from one of `from`; false: it was in none of them.
bool change_status(db::Executor db, const std::string& id, const std::vector<std::string>& from, domain::CertificateStatus to);

/// The agents that can make these certificates' keys: owners of their live targets, not retired. `live`: heartbeat not
/// older than 5 minutes.
struct KeyHolder {
  std::string certificate_id, agent_id;
  bool live = false;
};
std::vector<KeyHolder> key_holders(db::Executor db, const std::vector<std::string>& ids);

struct DeployableTarget {
  std::string id, agent_id;
};
/// Mapped targets that are live and enabled; of one agent or one target only where that is given.
std::vector<DeployableTarget> deployable_targets(db::Executor db, const std::string& id, const std::string& agent_id, const std::string& target_id);
/// A deployment of `version_id` to these targets is on its way.
void mark_mappings(db::Executor db, const std::string& id, const std::vector<std::string>& target_ids, const std::string& version_id);
/// How a deployment ended.
struct MappingResult {
  std::string certificate_id, target_id, job_id;
  domain::MappingState state = domain::MappingState::deployed;
  std::string served_fingerprint;
  bool manual_action_required = false;
};
void store_mapping_result(db::Executor db, const MappingResult& result);

/// After an issuance ended without a version: the status that the dates give, `Failed` without a version.
void settle_status(db::Executor db, const std::string& id, const std::string& last_error);
void set_renew_not_before(db::Executor db, const std::string& id, Time time);

/// Dates, current version and (unless versions of other agents are still to come) status after an issuance. False:
/// revoked or archived meanwhile, nothing changed; `over_revocation`: it was asked for because of that.
struct Renewed {
  std::string id, version_id;
  Time not_after{};
  Time renewed_at{};
  std::optional<Time> renew_after;
  std::string renewal_source;
};
bool activate(db::Executor db, const Renewed& renewed, bool over_revocation, bool complete);

/// Whether the agent has a target of the certificate or made the key of one of its versions.
bool belongs_to_agent(db::Executor db, const std::string& id, const std::string& agent_id);

/// The targets that the certificate is mapped to, newest first.
std::vector<domain::Target> targets_of(db::Executor db, const std::string& id);

/// Recomputes `deployment_state` from the mappings (lifecycle §8) for the current version.
void roll_up_deployment(db::Executor db, const std::string& id);
void set_last_deployment(db::Executor db, const std::string& id, Time at);

}  // namespace certctl::store::certificates
