#pragma once

#include "core/base/log.hpp"

namespace certctl::service::messages {

using log::Level;

inline constexpr log::Message kAuditDropped{"AUDIT_DROPPED", Level::warn, "audit events of reads were dropped",
                                            "the database is slow or away; events of changes are never dropped"};
inline constexpr log::Message kAuditWriteFailed{"AUDIT_WRITE_FAILED", Level::warn, "audit events could not be written; they are tried again"};
inline constexpr log::Message kCaGenerated{"CA_GENERATED", Level::info, "a root of an own CA was generated"};
inline constexpr log::Message kIssuerUnavailable{"ISSUER_UNAVAILABLE", Level::warn, "an issuer cannot be used",
                                                 "GET /api/v1/issuers/{id}, then POST …/test shows the reason"};
inline constexpr log::Message kIssuanceFailed{"ISSUANCE_FAILED", Level::warn, "an issuance failed"};
inline constexpr log::Message kIssuanceRecorded{"ISSUANCE_RECORDED", Level::info, "a certificate was issued and recorded"};
inline constexpr log::Message kIssuanceUnknown{"ISSUANCE_UNKNOWN", Level::error, "what became of a request to the CA is unknown; it will be looked up",
                                               "nothing is requested again before the CA has answered; see the job's phase"};
inline constexpr log::Message kIntentResumed{"INTENT_RESUMED", Level::info, "an open issuance was taken up again"};
inline constexpr log::Message kJobRetried{"JOB_RETRIED", Level::info, "failed jobs were queued again"};
inline constexpr log::Message kJobReaped{"JOB_REAPED", Level::warn, "a job was ended or put back because nobody worked on it"};
inline constexpr log::Message kRenewalsQueued{"RENEWALS_QUEUED", Level::info, "due certificates were queued for renewal"};
inline constexpr log::Message kWorkerError{"WORKER_ERROR", Level::error, "a background worker failed; it goes on"};
inline constexpr log::Message kNotificationFailed{"NOTIFICATION_FAILED", Level::warn, "a notification could not be delivered"};

}  // namespace certctl::service::messages
