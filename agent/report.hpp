#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace certctl::agent {

/// What the look at the served certificate found.
struct Verification {
  std::string status = "skipped";  ///< `success`, `failed`, `skipped`; never success for a probe that was not made
  std::string endpoint;
  std::string expected_fingerprint;  ///< lower hex SHA-256 of the leaf's DER
  std::string actual_fingerprint;
  std::int64_t attempts = 0;
  std::string error;
};

/// The numbers of one deployment (agent.md §8.1).
struct DeploymentReport {
  std::string deployment_id;
  std::string target_address;
  std::string message;
  std::string stage;
  std::string error_kind;  ///< ABI status of a failure
  bool idempotent = false;
  bool rolled_back = false;
  bool manual_action_required = false;
  std::string fingerprint_sha256;
  std::string previous_fingerprint_sha256;
  std::string validate_mode;
  std::map<std::string, std::int64_t> durations_ms;
  std::vector<std::string> backup_paths;
  Verification verification;
  std::map<std::string, std::string> metadata;
};

/// How a job ended.
struct Report {
  std::string job_id;
  std::string report_id;  ///< makes repeats idempotent
  std::string status;     ///< `Completed` or `Failed`
  std::string error;      ///< cut to 4 KiB, control characters made visible
  std::optional<DeploymentReport> deployment;

  static Report completed(DeploymentReport deployment);
  static Report failed(const std::string& error, std::optional<DeploymentReport> deployment);
};

/// The body of `POST …/jobs/{job_id}/status`.
std::string to_json(const Report& report);

/// The body of `POST /api/v1/jobs/{id}/verify`; nullopt: no probe was made, or there is no target to name.
std::optional<std::string> verification_json(const std::string& target_id, const Verification& verification);

}  // namespace certctl::agent
