#include "core/service/jobs.hpp"

#include <fmt/format.h>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/crypto/certificate.hpp"
#include "core/crypto/certificate_request.hpp"
#include "core/db/wake_ups.hpp"
#include "core/service/job_failure.hpp"
#include "core/store/certificates.hpp"
#include "core/store/ledger.hpp"

namespace certctl::service {

using domain::Job;
using domain::JobPhase;
using domain::JobStatus;
using domain::JobType;

namespace {

std::vector<crypto::Certificate> certificates_of_decision(const std::string& pem) {
  if (pem.empty()) throw invalid_field("pem_chain", "required", "pem_chain is required when the outcome is issued");
  try {
    return crypto::parse_pem_certificates(pem);
  } catch (const Error& e) {
    throw invalid_field("pem_chain", "invalid", fmt::format("pem_chain: {}", e.what()));
  }
}

}  // namespace

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

void Jobs::resolve(const Context& context, const std::string& id, const Resolution& resolution) {
  const bool issued = resolution.outcome == "issued", not_issued = resolution.outcome == "not_issued";
  if (!issued && !not_issued && resolution.outcome != "abandon") {
    throw invalid_field("outcome", "unknown", "outcome must be not_issued, issued or abandon");
  }
  const auto certificates = issued ? certificates_of_decision(resolution.pem_chain) : std::vector<crypto::Certificate>{};
  mutate(ground_, context, [&](db::Transaction& tx) {
    const auto job = store::jobs::find_for_update(tx, id);
    if (!job) throw not_found("Job not found");
    const auto intent = store::ledger::open_of_job(tx, id);
    if (!intent || !job->status.is(JobStatus::Running) || job->phase != domain::name_of(JobPhase::needs_decision)) {
      throw conflict(fmt::format("job with status {} does not wait for a decision", job->status.text()), "wrong_state");
    }
    if (issued) {
      if (certificates.front().public_key() != crypto::CertificateRequest::from_pem(intent->csr_pem).public_key()) {
        throw invalid_field("pem_chain", "invalid", "the first certificate of pem_chain was not issued for the key of this job's CSR");
      }
      store::ledger::store_result(tx, intent->id, resolution.pem_chain, certificates.front().serial());
      take_up_again(tx, *job, JobPhase::recording);
    } else if (not_issued) {
      store::ledger::prepare_again(tx, intent->id);
      take_up_again(tx, *job, JobPhase::submitting);
    } else {
      const std::string error = "abandoned: the outcome at the CA could not be found out";
      store::ledger::end(tx, intent->id, domain::IntentState::abandoned, "abandoned", error);
      store::jobs::fail_open(tx, id, {error, false, std::nullopt});
      if (const auto certificate = store::certificates::find(tx, job->certificate_id)) {
        give_up_issuance(tx, ground_, notifications_, *job, *certificate, error);
      }
    }
    json::Writer details;
    details.begin_object().field("outcome", resolution.outcome).field("note", shorten(printable(resolution.note), 1024)).end_object();
    ground_.audit.record(tx, context, {"issuance_resolved", "job", id, json::Raw{details.take()}});
  });
}

void Jobs::take_up_again(db::Transaction& tx, const Job& job, JobPhase phase) {
  // Just now a worker may be asking the CA once more: its answer goes first.
  if (!store::jobs::take_up(tx, job.id, phase)) throw conflict("the CA is being asked at this moment; try again in a minute", "wrong_state");
  db::wake(tx, "jobs", *job.lane);
}

}  // namespace certctl::service
