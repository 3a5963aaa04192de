#include "core/service/renewal_scan.hpp"

#include "core/service/messages.hpp"
#include "core/store/audit.hpp"
#include "core/store/renewals.hpp"

namespace certctl::service {
namespace {

constexpr int kSlice = 1000;

}  // namespace

std::int64_t RenewalScan::slice(const Guard& guard) {
  return ground_.database.transaction([&](db::Transaction& tx) {
    guard(tx);
    const auto due = store::renewals::take_due(tx, kSlice, renew_expired_);
    std::vector<JobQueue::Issuance> wanted;
    for (const auto& certificate : due) {
      JobQueue::Issuance one;
      one.certificate_id = certificate.id;
      one.issuer_id = certificate.issuer_id;
      one.type = domain::JobType::Renewal;
      one.trigger = certificate.expired ? "expired" : "policy";
      one.requested_by = "system";
      one.priority = certificate.urgent ? 100 : 50;
      one.max_attempts = std::max(1, certificate.max_retries);
      wanted.push_back(std::move(one));
    }
    const auto queued = queue_.issue(tx, wanted);
    std::vector<std::string> started;
    std::vector<domain::AuditEvent> events;
    for (const auto& job : queued) {
      started.push_back(job.certificate_id);
      json::Writer details;
      details.begin_object().field("job_id", job.job_id);
      for (const auto& certificate : due) {
        if (certificate.id != job.certificate_id) continue;
        details.field("days_until_expiry", certificate.days_left).field("renewal_trigger", certificate.expired ? "expired" : "policy");
      }
      details.end_object();
      events.push_back(ground_.audit.event(system_context().actor, {"renewal_job_created", "certificate", job.certificate_id, json::Raw{details.take()}}));
    }
    store::renewals::started(tx, started);
    store::audit::insert_all(tx, events);
    return std::int64_t(queued.size());
  });
}

RenewalScan::Result RenewalScan::run(const Guard& guard) {
  Result result;
  for (std::int64_t queued = slice(guard); queued > 0; queued = slice(guard)) {
    result.queued += queued;
    if (queued < kSlice) break;
  }
  result.next_due = store::renewals::next_due(ground_.database);
  if (result.queued > 0) log::write(messages::kRenewalsQueued, {{"count", result.queued}});
  return result;
}

std::int64_t RenewalScan::update_statuses(const Guard& guard) {
  return ground_.database.transaction([&](db::Transaction& tx) {
    guard(tx);
    const auto changed = store::renewals::update_statuses(tx);
    std::vector<domain::AuditEvent> events;
    for (const auto& id : changed.expired) events.push_back(ground_.audit.event(system_context().actor, {"certificate_expired", "certificate", id}));
    store::audit::insert_all(tx, events);
    return changed.count;
  });
}

}  // namespace certctl::service
