#pragma once

#include "core/base/log.hpp"

namespace certctl::agent {

using log::Level;

inline constexpr log::Message kStarted{"AGENT_STARTED", Level::info, "agent started"};
inline constexpr log::Message kStopping{"AGENT_STOPPING", Level::info, "agent stops: running deployments finish first"};
inline constexpr log::Message kStopped{"AGENT_STOPPED", Level::info, "agent stopped"};
inline constexpr log::Message kStopSlow{"AGENT_STOP_SLOW", Level::warn,
                                        "a deployment does not end in time and is cancelled",
                                        "It is settled at the next start."};
inline constexpr log::Message kStopForced{"AGENT_STOP_FORCED", Level::warn, "second signal: the agent exits at once",
                                          "What was running is settled at the next start."};
inline constexpr log::Message kReloaded{"AGENT_RELOADED", Level::info,
                                        "API key, CA bundle and client certificate were read again"};
inline constexpr log::Message kReloadFailed{"AGENT_RELOAD_FAILED", Level::error, "reload failed; the old settings stay",
                                            "Correct the file that is named and send SIGHUP again."};
inline constexpr log::Message kActivityFailed{"AGENT_ACTIVITY_FAILED", Level::error,
                                              "an activity failed and is tried again",
                                              "Look at the error; report it if the cause is not the environment."};
inline constexpr log::Message kActivityStuck{
    "AGENT_ACTIVITY_STUCK", Level::error, "an activity does not come to an end; the watchdog is not answered any more"};

inline constexpr log::Message kInsecure{
    "AGENT_TLS_INSECURE", Level::warn,
    "CERTCTL_SERVER_TLS_INSECURE_SKIP_VERIFY is on: the control plane's identity is not verified",
    "For development only. Set CERTCTL_SERVER_CA_BUNDLE_PATH to the CA's certificate instead."};
inline constexpr log::Message kDiscoveryAbsent{"AGENT_NO_DISCOVERY", Level::warn,
                                               "CERTCTL_DISCOVERY_DIRS is set, but discovery is not in this version"};
inline constexpr log::Message kKeyFolderShared{
    "AGENT_KEY_FOLDER_SHARED", Level::warn,
    "the key directory belongs to another user; keys are kept in a private folder below it"};
inline constexpr log::Message kNoPlugins{"AGENT_NO_PLUGINS", Level::warn,
                                         "no target plugin was found: nothing can be deployed",
                                         "Install target plugins and set CERTCTL_PLUGIN_DIR."};
inline constexpr log::Message kPlugins{"AGENT_PLUGINS", Level::info, "target plugins loaded"};
inline constexpr log::Message kAnotherIdentity{
    "AGENT_IDENTITY_IGNORED", Level::warn, "the stored identity is for another server or agent id and is not used",
    "Remove identity.json from the state directory if it is not needed any more."};
inline constexpr log::Message kFileCorrupt{"AGENT_FILE_CORRUPT", Level::error,
                                           "a state file cannot be read and was moved aside",
                                           "Look at the file; it can be removed when it is of no more use."};

inline constexpr log::Message kRegistered{"AGENT_REGISTERED", Level::info, "registered with the control plane"};
inline constexpr log::Message kRegisteredOtherId{"AGENT_ID_CHOSEN_BY_SERVER", Level::warn,
                                                 "the control plane gave the agent another id than the one asked for"};
inline constexpr log::Message kKeyRotated{"AGENT_KEY_ROTATED", Level::info, "the agent's API key was replaced"};
inline constexpr log::Message kKeyRotationFailed{"AGENT_KEY_ROTATION_FAILED", Level::warn,
                                                 "the agent's API key could not be replaced; the old one stays in use"};
inline constexpr log::Message kRegistrationRetry{"AGENT_REGISTRATION_RETRY", Level::warn,
                                                 "registration failed and is tried again"};
inline constexpr log::Message kUnknownAgent{
    "AGENT_UNKNOWN", Level::error, "the control plane does not know this agent",
    "Register it again: set CERTCTL_AGENT_BOOTSTRAP_TOKEN, or remove identity.json from the state directory."};

inline constexpr log::Message kHeartbeat{"AGENT_HEARTBEAT", Level::debug, "heartbeat recorded"};
inline constexpr log::Message kContactLost{"AGENT_CONTACT_LOST", Level::warn,
                                           "the control plane cannot be used; trying again"};
inline constexpr log::Message kContactBack{"AGENT_CONTACT_BACK", Level::info, "the control plane answers again"};
inline constexpr log::Message kUnauthorised{
    "AGENT_UNAUTHORISED", Level::error, "the control plane refuses the agent's API key",
    "Give it a valid key (CERTCTL_API_KEY or CERTCTL_API_KEY_FILE, then SIGHUP)."};
inline constexpr log::Message kForbidden{"AGENT_FORBIDDEN", Level::error, "the API key is bound to another agent",
                                         "Give this agent its own key."};
inline constexpr log::Message kClockSkew{"AGENT_CLOCK_SKEW", Level::warn,
                                         "this machine's clock and the control plane's differ",
                                         "Synchronise the clock (chrony, systemd-timesyncd)."};
inline constexpr log::Message kRetired{"AGENT_RETIRED", Level::error,
                                       "the control plane has retired this agent; it stops",
                                       "Remove the file `retired` from the state directory to enrol again."};
inline constexpr log::Message kRetiredDoubt{"AGENT_RETIRED_DOUBT", Level::info,
                                            "an answer says that this agent is retired; a heartbeat decides"};
inline constexpr log::Message kExpiresUnattended{
    "AGENT_CERTIFICATE_EXPIRES", Level::warn,
    "a deployed certificate expires soon and the control plane cannot be reached",
    "Restore the connection to the control plane, or replace the certificate by hand."};

inline constexpr log::Message kWorkRefused{"AGENT_WORK_REFUSED", Level::warn, "work items were refused"};
inline constexpr log::Message kWorkIgnored{"AGENT_WORK_IGNORED", Level::info, "work of an unknown kind is ignored"};
inline constexpr log::Message kJobAccepted{"JOB_ACCEPTED", Level::info, "job accepted"};
inline constexpr log::Message kJobResumed{"JOB_RESUMED", Level::info, "job of an earlier run is resumed"};
inline constexpr log::Message kJobRepeated{"JOB_REPEATED", Level::info,
                                           "a finished job was handed out again; its report is sent again"};
inline constexpr log::Message kJobDropped{"JOB_DROPPED", Level::info,
                                          "the control plane has ended the job; it is not run"};
inline constexpr log::Message kJobRetry{"JOB_RETRY", Level::warn, "job cannot go on now and is tried again"};
inline constexpr log::Message kJobFailed{"JOB_FAILED", Level::error, "job failed"};
inline constexpr log::Message kJobCrashed{"JOB_DEFECT", Level::error, "job ended in a defect of the agent",
                                          "Report this defect."};

inline constexpr log::Message kKeyMade{"KEY_CREATED", Level::info, "private key generated"};
inline constexpr log::Message kKeyReused{"KEY_REUSED", Level::info, "the job's stored key and request are used again"};
inline constexpr log::Message kKeyCurrent{"KEY_CURRENT", Level::info, "the key of the newest certificate is in place"};
inline constexpr log::Message kKeyAdopted{"KEY_ADOPTED", Level::info,
                                          "an existing private key was taken into the archive"};
inline constexpr log::Message kKeyRemoved{"KEY_REMOVED", Level::info, "an old private key was destroyed"};
inline constexpr log::Message kKeyTightened{"KEY_TIGHTENED", Level::warn,
                                            "a key file was accessible to others; its mode is 0600 now"};
inline constexpr log::Message kCsrSubmitted{"CSR_ACCEPTED", Level::info, "certificate request accepted"};
inline constexpr log::Message kCsrAlreadySigned{"CSR_ALREADY_SIGNED", Level::info,
                                                "the certificate for the stored request exists already"};

inline constexpr log::Message kDeploying{"DEPLOY_STARTED", Level::info, "deployment starts"};
inline constexpr log::Message kDeployed{"DEPLOY_COMPLETED", Level::info, "certificate deployed"};
inline constexpr log::Message kReportRefused{"REPORT_REFUSED", Level::error, "a report was refused and is dropped"};
inline constexpr log::Message kReportDropped{"REPORT_DROPPED", Level::warn,
                                             "reports were dropped: too old or too many"};
inline constexpr log::Message kReportsWait{"REPORTS_WAIT", Level::warn, "reports cannot be delivered now and are kept"};

}  // namespace certctl::agent
