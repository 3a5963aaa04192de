#pragma once

#include "core/domain/described.hpp"
#include "core/domain/enums.hpp"

namespace certctl::domain {

/// A unit of work (lifecycle §4). Whoever claims it holds `lease_owner` and `fence` until the lease ends.
struct Job {
  std::string id;
  Word<JobType> type;
  std::string certificate_id;
  OptionalText target_id;
  OptionalText agent_id;
  Word<JobStatus> status{JobStatus::Pending};
  std::int32_t attempts = 0;
  std::int32_t max_attempts = 3;
  OptionalText last_error;
  ZeroTime scheduled_at;
  std::optional<Time> started_at;
  std::optional<Time> completed_at;
  Time created_at{};
  std::string verification_status;
  std::optional<Time> verified_at;
  OptionalText verification_error;
  OptionalText verification_fingerprint;
  std::int32_t priority = 50;
  OptionalText issuer_id;
  OptionalText parent_job_id;
  OptionalText version_id;
  OptionalText requested_by;
  std::string phase = "queued";
  std::optional<Time> next_attempt_at;
  std::vector<std::string> hold_reasons;
  bool retryable = true;
  Hidden<std::string> trigger;
  Hidden<std::string> executor;
  Hidden<std::string> lane;
  Hidden<std::string> intent_id;
  Hidden<std::string> lease_owner;
  Hidden<std::int64_t> fence{0};
};
BOOST_DESCRIBE_STRUCT(Job, (),
                      (id, type, certificate_id, target_id, agent_id, status, attempts, max_attempts, last_error,
                       scheduled_at, started_at, completed_at, created_at, verification_status, verified_at,
                       verification_error, verification_fingerprint, priority, issuer_id, parent_job_id, version_id,
                       requested_by, phase, next_attempt_at, hold_reasons, retryable, trigger, executor, lane, intent_id,
                       lease_owner, fence))

}  // namespace certctl::domain
