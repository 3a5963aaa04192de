#include "core/service/jobs.hpp"

#include <fmt/format.h>

#include "core/base/error.hpp"
#include "core/db/wake_ups.hpp"
#include "core/store/certificates.hpp"
#include "core/store/ledger.hpp"

namespace certctl::service {

using domain::Job;
using domain::JobStatus;
using domain::JobType;

Job Jobs::get(const std::string& id) {
  auto job = store::jobs::find(ground_.database, id);
  if (!job) throw not_found("Job not found");
  return *std::move(job);
}

store::Page<Job> Jobs::list(const store::jobs::Filter& filter, const store::PageRequest& page) {
  return store::jobs::list(ground_.database, filter, page);
}

void Jobs::cancel(const Context& context, const std::string& id) {
  mutate(ground_, context, [&](db::Transaction& tx) {
    const auto job = store::jobs::find_for_update(tx, id);
    if (!job) throw not_found("Job not found");
    if (!store::jobs::cancel(tx, id, "cancelled by user")) {
      throw conflict(fmt::format("cannot cancel job with status {}", job->status.text()), "wrong_state");
    }
    if (job->type.is_one_of(JobType::Issuance, JobType::Renewal)) {
      // An answer of the CA that is still to come is recorded, not activated.
      if (const auto intent = store::ledger::open_of_job(tx, id)) {
        store::ledger::end(tx, intent->id, domain::IntentState::abandoned, "cancelled", "cancelled by user");
        store::ledger::fail_pending(tx, intent->id);
      }
      store::jobs::cancel_children(tx, id, "cancelled by user");
      store::certificates::settle_status(tx, job->certificate_id, "cancelled by user");
    }
    ground_.audit.record(tx, context, {"job_cancelled", "job", id});
  });
}

void Jobs::retry(const Context& context, const std::string& id) {
  mutate(ground_, context, [&](db::Transaction& tx) {
    const auto job = store::jobs::find_for_update(tx, id);
    if (!job) throw not_found("Job not found");
    if (!job->status.is(JobStatus::Failed)) throw conflict(fmt::format("cannot retry job with status {}", job->status.text()), "wrong_state");
    const bool issuance = job->type.is_one_of(JobType::Issuance, JobType::Renewal);
    // Without an open intent there is no CSR to go on with: the agent makes a new one.
    const bool from_csr = issuance && !job->agent_id.empty() && !store::ledger::open_of_job(tx, id);
    if (!store::jobs::start_again(tx, *job, from_csr)) throw conflict("the certificate has another open job", "wrong_state");
    if (issuance) {
      store::certificates::change_status(tx, job->certificate_id, {"Active", "Expiring", "Expired", "Failed"}, domain::CertificateStatus::RenewalInProgress);
    }
    json::Writer details;
    details.begin_object().field("old_status", "Failed").field("new_status", from_csr ? "AwaitingCSR" : "Pending");
    details.field("attempts", job->attempts).field("max_attempts", job->max_attempts).end_object();
    ground_.audit.record(tx, context, {"job_retry", "job", id, json::Raw{details.take()}});
    db::wake(tx, "jobs", job->agent_id.empty() ? *job->lane : static_cast<const std::string&>(job->agent_id));
  });
}

}  // namespace certctl::service
