#include "core/service/agent_work.hpp"

#include <fmt/format.h>

#include <map>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/db/wake_ups.hpp"
#include "core/service/job_failure.hpp"
#include "core/service/profile_rules.hpp"
#include "core/store/certificates.hpp"
#include "core/store/jobs.hpp"
#include "core/store/profiles.hpp"
#include "core/store/renewal_policies.hpp"
#include "core/store/targets.hpp"
#include "core/store/versions.hpp"

namespace certctl::service {
namespace {

using domain::Job;
using domain::JobStatus;
using domain::JobType;

constexpr int kItemsAPoll = 32;
constexpr std::size_t kErrorLimit = 4096;

/// Whether an ended job still takes a late report of its agent: the server gave up on silence, and nothing newer runs.
bool ended_for_silence(const Job& job) {
  return (job.status.is(JobStatus::Failed) && job.last_error.starts_with("agent offline")) || job.status.is(JobStatus::Pending);
}

template <typename T>
std::map<std::string, T> by_id(std::vector<T> rows) {
  std::map<std::string, T> map;
  for (T& row : rows) map.emplace(std::string(row.id), std::move(row));
  return map;
}

}  // namespace

struct AgentWork::Report {
  JobStatus status = JobStatus::Running;
  std::string error;
  json::Raw deployment{"null"};
  std::string verification_status, served_fingerprint, verification_error;
  bool rolled_back = false;
  bool manual_action_required = false;
  std::string error_kind;

  static Report parse(const json::Value& body);
};

AgentWork::Report AgentWork::Report::parse(const json::Value& body) {
  Report report;
  const std::string status = json::text_or(body, "status");
  if (status.empty()) throw invalid_field("status", "required", "Status is required");
  const auto known = domain::value_of<JobStatus>(status);
  if (!known || (*known != JobStatus::Running && *known != JobStatus::Completed && *known != JobStatus::Failed)) {
    throw invalid_field("status", "unknown", fmt::format("status must be Running, Completed or Failed, not \"{}\"", printable(shorten(status, 64))));
  }
  report.status = *known;
  report.error = shorten(printable(json::text_or(body, "error")), kErrorLimit);
  const auto* deployment = json::find(body, "deployment");
  if (deployment == nullptr || !deployment->IsObject()) return report;
  report.deployment = json::raw(*deployment);
  report.rolled_back = json::flag_or(*deployment, "rolled_back", false);
  report.manual_action_required = json::flag_or(*deployment, "manual_action_required", false);
  report.error_kind = json::text_or(*deployment, "error_kind");
  if (const auto* verification = json::find(*deployment, "verification"); verification != nullptr && verification->IsObject()) {
    const std::string result = json::text_or(*verification, "status");
    if (result == "success" || result == "failed" || result == "skipped") report.verification_status = result;
    report.served_fingerprint = lower(json::text_or(*verification, "actual_fingerprint"));
    report.verification_error = shorten(json::text_or(*verification, "error"), kErrorLimit);
  }
  return report;
}

std::vector<AgentWork::Item> AgentWork::claim(const Context& context, const domain::Agent& agent) {
  const std::string owner = Agents::lease_owner(agent);
  const std::vector<Job> jobs = ground_.database.transaction([&](db::Transaction& tx) {
    auto claimed = store::jobs::claim_deployments(tx, agent.id, kItemsAPoll, owner, settings_.work_lease);
    for (auto& job : store::jobs::claim_csr_jobs(tx, agent.id, kItemsAPoll, owner, settings_.work_lease)) claimed.push_back(std::move(job));
    return claimed;
  });
  return items_for(jobs, context, agent);
}

std::vector<AgentWork::Item> AgentWork::items_for(const std::vector<Job>& jobs, const Context& context, const domain::Agent& agent) {
  std::vector<std::string> target_ids, deployed, requested;  // the last two: certificates
  for (const Job& job : jobs) {
    const bool deployment = job.type.is(JobType::Deployment);
    (deployment ? deployed : requested).push_back(job.certificate_id);
    if (deployment) target_ids.push_back(job.target_id);
  }
  const auto targets = by_id(store::targets::find_all(ground_.database, target_ids));
  const auto fingerprints = store::versions::current_fingerprints(ground_.database, deployed, agent.id);
  const auto certificates = by_id(store::certificates::find_all(ground_.database, requested));
  std::vector<std::string> profile_ids;
  for (const auto& [id, certificate] : certificates) profile_ids.push_back(certificate.certificate_profile_id);
  const auto profiles = by_id(store::profiles::find_all(ground_.database, profile_ids));

  std::vector<Item> items;
  for (const Job& job : jobs) {
    Item item;
    item.job = job;
    if (job.type.is(JobType::Deployment)) {
      const auto target = targets.find(job.target_id);
      if (target == targets.end()) {
        fail_without_target(job);
        continue;
      }
      item.target_type = target->second.type;
      item.target_name = target->second.name;
      item.target_config = targets_.work_config(target->second, context.actor.sees_secrets);
      if (const auto known = fingerprints.find(job.certificate_id); known != fingerprints.end()) item.expected_fingerprint = known->second;
    } else {
      const auto certificate = certificates.find(job.certificate_id);
      if (certificate == certificates.end()) continue;
      item.common_name = certificate->second.common_name;
      item.sans = certificate->second.sans;
      const auto profile = profiles.find(certificate->second.certificate_profile_id);
      item.key_algorithm = profile == profiles.end() ? std::string(kDefaultKeyAlgorithm) : key_algorithm_of(profile->second);
      item.must_staple = profile != profiles.end() && profile->second.must_staple;
    }
    items.push_back(std::move(item));
  }
  return items;
}

void AgentWork::fail_without_target(const Job& job) {
  const std::string reason = fmt::format("target fetch failed: {} is gone", static_cast<const std::string&>(job.target_id));
  ground_.database.transaction([&](db::Transaction& tx) { store::jobs::fail_open(tx, job.id, {reason, false, std::nullopt}); });
}

AgentWork::Material AgentWork::fetch(const Context& context, const domain::Agent& agent, const std::string& certificate_id) {
  if (!store::certificates::belongs_to_agent(ground_.database, certificate_id, agent.id)) throw not_found("Certificate not found or not ready");
  const auto version = store::versions::current(ground_.database, certificate_id, agent.id);
  if (!version) throw not_found("Certificate not found or not ready");
  Material material{version->pem_chain, version->fingerprint_sha256, version->serial_number, version->id, {}};
  mutate(ground_, context, [&](db::Transaction& tx) {
    if (*version->server_key_sealed && context.actor.agent_id == agent.id) store::versions::clear_server_key(tx, version->id);
    json::Writer details;
    details.begin_object().field("version", version->serial_number).end_object();
    ground_.audit.record(tx, context, {"certificate_retrieved", "certificate", certificate_id, json::Raw{details.take()}});
  });
  if (*version->server_key_sealed && context.actor.agent_id == agent.id) {
    material.private_key = sealer_.open({"certificate_versions", version->id, "server_key_sealed"}, **version->server_key_sealed);
  }
  return material;
}

void AgentWork::report(const Context& context, const domain::Agent& agent, const std::string& job_id, const json::Value& body) {
  if (!body.IsObject()) throw invalid("Invalid request body: a JSON object is expected");
  const Report report = Report::parse(body);
  mutate(ground_, context, [&](db::Transaction& tx) {
    const auto job = store::jobs::find_for_update(tx, job_id);
    if (!job || job->agent_id != agent.id) throw not_found("Job not found");
    json::Writer details;
    details.begin_object().field("status", domain::name_of(report.status)).field("error", report.error).end_object();
    ground_.audit.record(tx, context, {"job_status_reported", "job", job_id, json::Raw{details.take()}});

    const bool csr_job = job->type.is_one_of(JobType::Issuance, JobType::Renewal);
    if (csr_job) {
      // Only a failure before the CSR was accepted is the agent's to tell; afterwards the CA's answer decides.
      if (report.status != JobStatus::Failed || !job->status.is(JobStatus::AwaitingCSR)) return;
      const auto certificate = store::certificates::find(tx, job->certificate_id);
      const auto policy = certificate ? store::renewal_policies::find(tx, certificate->renewal_policy_id) : std::nullopt;
      Job counted = *job;
      ++counted.attempts;
      const auto end = plan_next_attempt(counted, policy ? policy->retry_interval_seconds : 60, true, Duration(0), ground_.clock.now());
      store::jobs::count_attempt(tx, job_id);
      store::jobs::fail_open(tx, job_id, {report.error, end.retryable, end.next_attempt_at});
      if (end.exhausted() && certificate) give_up_issuance(tx, ground_, notifications_, *job, *certificate, report.error);
      return;
    }
    if (job->status.text() == domain::name_of(report.status)) return;  // told before
    const bool open = job->status.is(JobStatus::Running) || (report.status != JobStatus::Running && ended_for_silence(*job));
    if (!open) throw conflict(fmt::format("job has ended already with status {}", job->status.text()), "wrong_state");
    if (report.status == JobStatus::Running) return;

    AttemptEnd end;
    if (report.status == JobStatus::Failed) {
      const bool retryable = !report.manual_action_required && report.error_kind != "invalid_config" && report.error_kind != "invalid_request" &&
                             report.error_kind != "permanent" && report.error_kind != "not_supported";
      end = plan_next_attempt(*job, 60, retryable, Duration(0), ground_.clock.now());
    }
    store::jobs::Report row{report.status, report.error, report.deployment, report.verification_status, report.served_fingerprint,
                            report.verification_error, end.retryable || report.status == JobStatus::Completed, end.next_attempt_at};
    store::jobs::store_report(tx, job_id, row);
    end_deployment(tx, *job, report, end.exhausted());
    db::wake(tx, "jobs", agent.id);
  });
}

void AgentWork::end_deployment(db::Transaction& tx, const Job& job, const Report& report, bool exhausted) {
  const bool completed = report.status == JobStatus::Completed;
  store::certificates::MappingResult mapping{job.certificate_id, job.target_id, job.id, domain::MappingState::deployed, report.served_fingerprint,
                                             report.manual_action_required};
  if (!completed) mapping.state = exhausted ? domain::MappingState::failed : domain::MappingState::pending;
  else if (report.verification_status == "success") mapping.state = domain::MappingState::verified;
  else if (report.verification_status == "failed") mapping.state = domain::MappingState::failed;
  store::certificates::store_mapping_result(tx, mapping);
  if (completed) store::certificates::set_last_deployment(tx, job.certificate_id, ground_.clock.now());
  if (report.manual_action_required) store::targets::set_manual_action_required(tx, job.target_id);

  json::Writer details;
  details.begin_object().field("job_id", job.id).field("target_id", static_cast<const std::string&>(job.target_id));
  if (!completed) details.field("error", report.error);
  details.end_object();
  ground_.audit.record(tx, system_context(), {completed ? "deployment_job_completed" : "deployment_job_failed", "certificate", job.certificate_id, json::Raw{details.take()}});
  const auto certificate = store::certificates::find(tx, job.certificate_id);
  const auto target = store::targets::find(tx, job.target_id);
  if (!certificate || !target) return;
  if (completed) notifications_.deployment_success(tx, *certificate, *target, job);
  else notifications_.deployment_failure(tx, *certificate, *target, job, report.error, report.manual_action_required);
}

AgentWork::Verification AgentWork::verify(const Context& context, const std::string& job_id, const json::Value& body) {
  const std::string target_id = json::text_or(body, "target_id"), error = json::text_or(body, "error");
  const std::string expected = lower(json::text_or(body, "expected_fingerprint")), actual = lower(json::text_or(body, "actual_fingerprint"));
  if (target_id.empty()) throw invalid_field("target_id", "required", "target_id is required");
  if (expected.empty() && error.empty()) throw invalid_field("expected_fingerprint", "required", "expected_fingerprint is required");
  if (actual.empty() && error.empty()) throw invalid_field("actual_fingerprint", "required", "actual_fingerprint is required");
  const bool verified = json::flag_or(body, "verified", false) && error.empty() && (expected.empty() || expected == actual);
  const Time now = ground_.clock.now();
  mutate(ground_, context, [&](db::Transaction& tx) {
    const auto job = store::jobs::find_for_update(tx, job_id);
    const bool foreign = job && !context.actor.agent_id.empty() && job->agent_id != context.actor.agent_id;
    if (!job || foreign) throw not_found("Job not found");
    store::jobs::store_verification(tx, job_id, verified ? "success" : "failed", actual, shorten(error, kErrorLimit), now);
    if (job->type.is(JobType::Deployment) && job->status.is(JobStatus::Completed)) {
      store::certificates::store_mapping_result(tx, {job->certificate_id, job->target_id, job->id,
                                                     verified ? domain::MappingState::verified : domain::MappingState::failed, actual, false});
    }
    json::Writer details;
    details.begin_object().field("target_id", target_id).field("expected_fingerprint", expected).field("actual_fingerprint", actual);
    details.field("error", error).end_object();
    ground_.audit.record(tx, context, {verified ? "job_verification_success" : "job_verification_failed", "job", job_id, json::Raw{details.take()}});
  });
  return {job_id, target_id, expected, actual, error, verified, now};
}

AgentWork::Verification AgentWork::verification(const std::string& job_id) {
  const auto job = store::jobs::find(ground_.database, job_id);
  if (!job) throw not_found("Job not found");
  Verification result;
  result.job_id = job_id;
  result.target_id = job->target_id;
  result.actual = job->verification_fingerprint;
  result.error = job->verification_error;
  result.verified = job->verification_status == "success";
  result.verified_at = job->verified_at;
  if (job->verified_at && !job->version_id.empty()) {
    if (const auto version = store::versions::find(ground_.database, job->version_id)) result.expected = version->fingerprint_sha256;
  }
  return result;
}

}  // namespace certctl::service
