#include "core/service/upkeep.hpp"

#include <set>

#include "core/db/wake_ups.hpp"
#include "core/service/job_failure.hpp"
#include "core/service/messages.hpp"
#include "core/store/agents.hpp"
#include "core/store/audit.hpp"
#include "core/store/certificates.hpp"
#include "core/store/ledger.hpp"

namespace certctl::service {
namespace {

void wake_all(db::Transaction& tx, const std::vector<store::jobs::Swept>& swept) {
  std::set<std::string> keys;
  for (const auto& job : swept) keys.insert(job.agent_id.empty() ? "-" : job.agent_id);
  for (const auto& key : keys) db::wake(tx, "jobs", key);
}

}  // namespace

void Upkeep::note(db::Transaction& tx, const std::vector<store::jobs::Swept>& swept, const char* action, const char* reason, Duration age) {
  std::vector<domain::AuditEvent> events;
  for (const auto& job : swept) {
    json::Writer details;
    details.begin_object().field("old_status", job.old_status).field("new_status", job.new_status);
    if (reason[0] != '\0') details.field("timeout_reason", reason);
    if (age.count() > 0) details.field("age_hours", std::int64_t(std::chrono::duration_cast<std::chrono::hours>(age).count()));
    else details.field("attempts", job.attempts).field("max_attempts", job.max_attempts);
    if (!job.agent_id.empty()) details.field("agent_id", job.agent_id);
    details.end_object();
    events.push_back(ground_.audit.event(system_context().actor, {action, "job", job.id, json::Raw{details.take()}}));
  }
  store::audit::insert_all(tx, events);
}

void Upkeep::retry_failed_jobs(const Guard& guard) {
  const auto count = ground_.database.transaction([&](db::Transaction& tx) {
    guard(tx);
    const auto swept = store::jobs::retry_due(tx);
    note(tx, swept, "job_retry", "", {});
    wake_all(tx, swept);
    return swept.size();
  });
  if (count > 0) log::write(messages::kJobRetried, {{"count", count}});
}

void Upkeep::promote_waiting_jobs(const Guard& guard) {
  ground_.database.transaction([&](db::Transaction& tx) {
    guard(tx);
    if (store::jobs::promote_due(tx) > 0) db::wake(tx, "jobs");
  });
}

void Upkeep::assign_waiting_csr_jobs(const Guard& guard) {
  ground_.database.transaction([&](db::Transaction& tx) {
    guard(tx);
    if (store::jobs::assign_waiting_csr_jobs(tx) > 0) db::wake(tx, "jobs");
  });
}

void Upkeep::reap_leases(const Guard& guard) {
  ground_.database.transaction([&](db::Transaction& tx) {
    guard(tx);
    const auto swept = store::jobs::reap_leases(tx);
    for (const auto& job : swept) log::write(messages::kJobReaped, {{"job_id", job.id}, {"reason", "lease expired"}});
    note(tx, swept, "job_lease_expired", "lease_expired", {});
    wake_all(tx, swept);
  });
}

void Upkeep::reap_awaiting_csr(const Guard& guard) {
  ground_.database.transaction([&](db::Transaction& tx) {
    guard(tx);
    const auto swept = store::jobs::reap_awaiting_csr(tx, settings_.awaiting_csr_timeout);
    note(tx, swept, "job_timeout", "csr_timeout", settings_.awaiting_csr_timeout);
    for (const auto& reaped : swept) {
      const auto job = store::jobs::find(tx, reaped.id);
      const auto certificate = store::certificates::find(tx, reaped.certificate_id);
      if (job && certificate) give_up_issuance(tx, ground_, notifications_, *job, *certificate, job->last_error);
    }
  });
}

void Upkeep::reap_offline_agents(const Guard& guard) {
  ground_.database.transaction([&](db::Transaction& tx) {
    guard(tx);
    const auto swept = store::jobs::reap_offline_agents(tx, settings_.agent_silence);
    note(tx, swept, "job_offline_agent_reap", "agent_offline", {});
  });
}

void Upkeep::mark_silent_agents(const Guard& guard) {
  ground_.database.transaction([&](db::Transaction& tx) {
    guard(tx);
    store::agents::mark_offline(tx, settings_.agent_offline);
  });
}

void Upkeep::sweep_ledger(const Guard& guard) {
  ground_.database.transaction([&](db::Transaction& tx) {
    guard(tx);
    store::ledger::sweep_pending(tx, std::chrono::minutes(10));
  });
}

}  // namespace certctl::service
