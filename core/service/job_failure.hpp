#pragma once

#include <optional>
#include <string>

#include "core/domain/certificate.hpp"
#include "core/domain/job.hpp"
#include "core/service/notifications.hpp"

namespace certctl::service {

/// Whether a failed attempt is followed by another, and when (lifecycle §4.4).
struct AttemptEnd {
  bool retryable = false;
  std::optional<Time> next_attempt_at;
  bool exhausted() const { return !next_attempt_at; }
};
AttemptEnd plan_next_attempt(const domain::Job& job, std::int64_t retry_interval_seconds, bool retryable, Duration least_pause, Time now);

/// An issuance whose last attempt is used: the certificate leaves `RenewalInProgress` by its dates, gets its next try,
/// its owner is told, and a parent job ends with it. In the transaction that fails the job.
void give_up_issuance(db::Transaction& tx, const Ground& ground, Notifications& notifications, const domain::Job& job,
                      const domain::Certificate& certificate, const std::string& error);

}  // namespace certctl::service
