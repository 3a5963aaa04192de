#include "core/service/job_queue.hpp"

#include <map>
#include <set>

#include "core/base/id.hpp"
#include "core/db/wake_ups.hpp"
#include "core/store/certificates.hpp"
#include "core/store/jobs.hpp"

namespace certctl::service {
namespace {

using domain::Job;
using domain::JobStatus;
using domain::JobType;

}  // namespace

std::vector<JobQueue::Queued> JobQueue::issue(db::Transaction& tx, std::span<const Issuance> wanted) const {
  std::map<std::string, std::vector<std::string>> holders;
  if (keys_ == KeyGeneration::agent) {
    std::vector<std::string> ids;
    for (const auto& one : wanted) ids.push_back(one.certificate_id);
    for (const auto& holder : store::certificates::key_holders(tx, ids)) holders[holder.certificate_id].push_back(holder.agent_id);
  }

  std::vector<Job> jobs;
  std::vector<Queued> queued;
  for (const auto& one : wanted) {
    Job job;
    job.id = new_id("job", clock_);
    job.type = one.type;
    job.certificate_id = one.certificate_id;
    job.issuer_id = one.issuer_id;
    job.created_at = clock_.now();
    job.max_attempts = one.max_attempts;
    job.priority = one.priority;
    job.trigger.value = one.trigger;
    job.requested_by = one.requested_by;
    Queued result{one.certificate_id, job.id, JobStatus::AwaitingCSR, false};
    if (keys_ == KeyGeneration::server) {
      job.status = result.status = JobStatus::Pending;
      job.executor.value = "server";
      job.lane.value = one.issuer_id;
      jobs.push_back(job);
    } else {
      job.status = JobStatus::AwaitingCSR;
      job.phase = domain::name_of(domain::JobPhase::awaiting_csr);
      const auto& agents = holders[one.certificate_id];
      // A parent is nobody's to claim: its children carry the work.
      job.executor.value = agents.size() > 1 ? "external" : "agent";
      if (agents.size() == 1) job.agent_id = agents.front();
      if (agents.empty()) {
        job.hold_reasons = {"no_agent_for_key_generation"};
        result.no_agent = true;
      }
      jobs.push_back(job);
      for (const auto& agent : agents) {
        if (agents.size() == 1) break;
        Job child = job;
        child.id = new_id("job", clock_);
        child.parent_job_id = job.id;
        child.agent_id = agent;
        child.executor.value = "agent";
        jobs.push_back(std::move(child));
      }
    }
    queued.push_back(std::move(result));
  }

  const auto stored = store::jobs::insert(tx, jobs);
  std::erase_if(queued, [&](const Queued& q) { return !stored.contains(q.job_id); });
  std::set<std::string> woken;
  for (const auto& job : jobs) {
    if (stored.contains(job.id)) woken.insert(job.agent_id.empty() ? *job.lane : static_cast<const std::string&>(job.agent_id));
  }
  for (const auto& key : woken) {
    if (!key.empty()) db::wake(tx, "jobs", key);
  }
  return queued;
}

std::vector<Job> JobQueue::deploy(db::Transaction& tx, const Deployment& wanted) const {
  std::vector<Job> jobs;
  std::vector<std::string> targets;
  for (const auto& target : store::certificates::deployable_targets(tx, wanted.certificate_id, wanted.agent_id, wanted.target_id)) {
    Job job;
    job.id = new_id("job", clock_);
    job.type = JobType::Deployment;
    job.certificate_id = wanted.certificate_id;
    job.target_id = target.id;
    job.agent_id = target.agent_id;
    job.version_id = wanted.version_id;
    job.created_at = clock_.now();
    job.priority = wanted.priority;
    job.requested_by = wanted.requested_by;
    job.executor.value = "agent";
    targets.push_back(target.id);
    jobs.push_back(std::move(job));
  }
  if (jobs.empty()) return jobs;
  store::jobs::cancel_waiting_deployments(tx, wanted.certificate_id, targets, "superseded");
  store::jobs::insert(tx, jobs);
  store::certificates::mark_mappings(tx, wanted.certificate_id, targets, wanted.version_id);
  std::set<std::string> agents;
  for (const auto& job : jobs) agents.insert(job.agent_id);
  for (const auto& agent : agents) db::wake(tx, "jobs", agent);
  return jobs;
}

}  // namespace certctl::service
