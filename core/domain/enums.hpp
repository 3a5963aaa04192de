#pragma once

#include <boost/describe.hpp>

/// Closed enumerations; the enumerators are the exact words on the wire and in the database (data model §5).
namespace certctl::domain {

BOOST_DEFINE_ENUM_CLASS(CertificateStatus, Pending, Active, Expiring, Expired, RenewalInProgress, Failed, Revoked, Archived)
BOOST_DEFINE_ENUM_CLASS(JobType, Issuance, Renewal, Deployment, Validation)
BOOST_DEFINE_ENUM_CLASS(JobStatus, Pending, AwaitingCSR, AwaitingApproval, Running, Completed, Failed, Cancelled)
BOOST_DEFINE_ENUM_CLASS(JobPhase, queued, awaiting_csr, submitting, awaiting_ca, recording, deploying, verifying, needs_decision)
BOOST_DEFINE_ENUM_CLASS(Executor, server, agent, external)
BOOST_DEFINE_ENUM_CLASS(VerificationStatus, pending, success, failed, skipped)
BOOST_DEFINE_ENUM_CLASS(AgentStatus, Online, Offline, Degraded)
BOOST_DEFINE_ENUM_CLASS(ActorType, User, System, Agent)
BOOST_DEFINE_ENUM_CLASS(NotificationType, ExpirationWarning, RenewalSuccess, RenewalFailure, DeploymentSuccess, DeploymentFailure,
                        PolicyViolation, Revocation, CertificateExpired, IssuanceNeedsDecision)
BOOST_DEFINE_ENUM_CLASS(NotificationStatus, pending, sent, failed, dead, read)
BOOST_DEFINE_ENUM_CLASS(Severity, informational, warning, critical)
BOOST_DEFINE_ENUM_CLASS(RevocationReason, unspecified, keyCompromise, caCompromise, affiliationChanged, superseded,
                        cessationOfOperation, certificateHold, privilegeWithdrawn)
BOOST_DEFINE_ENUM_CLASS(IntentState, prepared, submitting, ordered, issued, recorded, unknown_outcome, failed, abandoned, rejected, duplicate)
BOOST_DEFINE_ENUM_CLASS(MappingState, pending, deploying, deployed, verified, failed, skipped)
BOOST_DEFINE_ENUM_CLASS(DeploymentState, none, pending, partial, deployed, drifted, failed)
BOOST_DEFINE_ENUM_CLASS(TestStatus, untested, success, failed)
BOOST_DEFINE_ENUM_CLASS(KeyAlgorithm, RSA, ECDSA, Ed25519)

}  // namespace certctl::domain
