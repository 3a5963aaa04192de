#include "core/service/job_failure.hpp"

#include "core/service/renewal_window.hpp"
#include "core/store/certificates.hpp"
#include "core/store/jobs.hpp"

namespace certctl::service {

AttemptEnd plan_next_attempt(const domain::Job& job, std::int64_t retry_interval_seconds, bool retryable, Duration least_pause, Time now) {
  if (!retryable || job.attempts >= job.max_attempts) return {retryable, std::nullopt};
  const Duration pause = std::max(retry_pause(retry_interval_seconds, job.attempts, job.id), least_pause);
  return {true, now + pause};
}

void give_up_issuance(db::Transaction& tx, const Ground& ground, Notifications& notifications, const domain::Job& job,
                      const domain::Certificate& certificate, const std::string& error) {
  if (!job.parent_job_id.empty()) store::jobs::end_parent(tx, job.parent_job_id, domain::JobStatus::Failed, error);
  store::certificates::settle_status(tx, certificate.id, error);
  if (certificate.expires_at) {
    store::certificates::set_renew_not_before(tx, certificate.id, next_try_after_giving_up(ground.clock.now(), *certificate.expires_at));
  }
  json::Writer details;
  details.begin_object().field("job_id", job.id).field("error", error).end_object();
  ground.audit.record(tx, system_context(), {"renewal_gave_up", "certificate", certificate.id, json::Raw{details.take()}});
  notifications.renewal_failure(tx, certificate, job, error, true);
}

}  // namespace certctl::service
