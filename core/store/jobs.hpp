#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/db/executor.hpp"
#include "core/domain/job.hpp"
#include "core/store/page.hpp"

namespace certctl::store::jobs {

/// One statement for all. A second open issuance for a certificate (and agent) is left out; returns the ids that were
/// stored.
std::set<std::string> insert(db::Executor db, std::span<const domain::Job> jobs);

std::optional<domain::Job> find(db::Executor db, const std::string& id);
std::optional<domain::Job> find_for_update(db::Executor db, const std::string& id);

struct Filter {
  std::string status, type, certificate_id, target_id, agent_id;
};
/// Newest first.
Page<domain::Job> list(db::Executor db, const Filter& filter, const PageRequest& page);

/// Issuance and renewal jobs of the certificate that have not ended, parents before their agents' children.
std::vector<domain::Job> open_issuances(db::Executor db, const std::string& certificate_id);
/// The newest issuance job of the certificate, ended or not.
std::optional<domain::Job> latest_issuance(db::Executor db, const std::string& certificate_id);

// --- claims --------------------------------------------------------------------------------------------------------

/// Lanes with claimable work, least recently served first.
std::vector<std::string> lanes_with_work(db::Executor db);
/// Up to `limit` jobs of a lane: `Running`, attempt counted, leased to `owner` for `lease`.
std::vector<domain::Job> claim_lane(db::Executor db, const std::string& lane, int limit, const std::string& owner, Duration lease);
/// Parked jobs that are due. The attempt is not counted.
std::vector<domain::Job> claim_parked(db::Executor db, int limit, const std::string& owner, Duration lease);
/// The agent's deployments become `Running`; its CSR jobs stay `AwaitingCSR`; both are leased to `owner`.
std::vector<domain::Job> claim_deployments(db::Executor db, const std::string& agent_id, int limit, const std::string& owner, Duration lease);
std::vector<domain::Job> claim_csr_jobs(db::Executor db, const std::string& agent_id, int limit, const std::string& owner, Duration lease);

/// Extends the leases of `owner`'s jobs `ids`.
void extend(db::Executor db, const std::string& owner, const std::vector<std::string>& ids, Duration lease);
/// Extends every lease of `owner` on running server work.
void extend_all(db::Executor db, const std::string& owner, Duration lease);
/// Takes a CSR job for work on the server: `Running`, attempt counted, lane of its issuer, leased to `owner`.
/// nullopt: it waits for a CSR no more.
std::optional<domain::Job> take_csr_job(db::Executor db, const std::string& id, const std::string& issuer_id, const std::string& owner, Duration lease);

// --- results: each is guarded by `lease_owner` and `fence`; false: the lease was lost and nothing was written ---------

bool complete(db::Executor db, const domain::Job& job, const std::string& version_id);
/// `next_attempt_at` null and `retryable` false: for good.
struct Failure {
  std::string error;
  bool retryable = true;
  std::optional<Time> next_attempt_at;
};
bool fail(db::Executor db, const domain::Job& job, const Failure& failure);
/// Waits in the database without lease.
bool park(db::Executor db, const domain::Job& job, Time next_attempt_at, domain::JobPhase phase);
/// Makes what is parked due now. False: it is not parked.
bool take_up(db::Executor db, const std::string& id, domain::JobPhase phase);
/// Back to `Pending` without counting the attempt (rate limit, shutdown, cancelled).
bool put_back(db::Executor db, const domain::Job& job, Time next_attempt_at, const std::vector<std::string>& hold_reasons);
void set_phase(db::Executor db, const std::string& id, domain::JobPhase phase);

// --- without a lease -----------------------------------------------------------------------------------------------

/// Ends an open job; false: it had ended.
bool fail_open(db::Executor db, const std::string& id, const Failure& failure);
void cancel_children(db::Executor db, const std::string& parent_id, const std::string& reason);
/// A failed job once more, attempts counted anew; `from_csr`: its agent makes a new CSR. False: the certificate has
/// another open one.
bool start_again(db::Executor db, const domain::Job& job, bool from_csr);
void count_attempt(db::Executor db, const std::string& id);
bool cancel(db::Executor db, const std::string& id, const std::string& reason);
/// Ends the open jobs of a certificate that match; `keep_ordered` leaves those whose CA has been asked.
std::vector<std::string> cancel_of_certificate(db::Executor db, const std::string& certificate_id, const std::string& reason, bool issuances,
                                               bool deployments, bool keep_ordered);
/// Deployments of this certificate to these targets that wait, or would be retried.
void cancel_waiting_deployments(db::Executor db, const std::string& certificate_id, const std::vector<std::string>& target_ids, const std::string& reason);
int cancel_of_agent(db::Executor db, const std::string& agent_id, const std::string& reason);

/// What an agent reported.
struct Report {
  domain::JobStatus status = domain::JobStatus::Running;
  std::string error;
  json::Raw deployment_result{"null"};
  std::string verification_status, verification_fingerprint, verification_error;
  bool retryable = true;
  std::optional<Time> next_attempt_at;
};
void store_report(db::Executor db, const std::string& id, const Report& report);
void store_verification(db::Executor db, const std::string& id, const std::string& status, const std::string& fingerprint,
                        const std::string& error, Time at);

// --- sweeps: one statement each ------------------------------------------------------------------------------------

struct Swept {
  std::string id, certificate_id, type, agent_id, old_status, new_status;
  std::int64_t attempts = 0, max_attempts = 0;
};
/// `Failed`, retryable, attempts left, due → `Pending` (`AwaitingCSR` for a CSR job).
std::vector<Swept> retry_due(db::Executor db);
/// Not claimable and due → claimable. Returns how many.
std::int64_t promote_due(db::Executor db);
/// `AwaitingCSR` for longer than `ttl` → `Failed`.
std::vector<Swept> reap_awaiting_csr(db::Executor db, Duration ttl);
/// Leases that ran out: server work and deployments → `Pending`, CSR jobs are free again.
std::vector<Swept> reap_leases(db::Executor db);
/// What an earlier life of this instance had leased is free again.
std::int64_t release_server_leases(db::Executor db, const std::string& owner);
/// Running jobs of agents without leases (they name no `running_jobs`) whose agent has been silent for `silence`.
std::vector<Swept> reap_offline_agents(db::Executor db, Duration silence);
/// Leases of an earlier start of the agent.
std::vector<Swept> release_agent_leases(db::Executor db, const std::string& agent_id, const std::string& owner);

/// CSR jobs that wait without an agent, and the certificates' key holders by now: gives the first of them the job.
std::int64_t assign_waiting_csr_jobs(db::Executor db);

/// Open children of a parent job; locks the parent.
std::int64_t open_children(db::Executor db, const std::string& parent_id);
/// Ends a parent job whose children have ended.
void end_parent(db::Executor db, const std::string& id, domain::JobStatus status, const std::string& error);

/// Moment of the next parked, not yet claimable or retryable job.
std::optional<Time> next_due(db::Executor db);

}  // namespace certctl::store::jobs
