#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <certctl/call.hpp>

#include "plugins/common/settings.hpp"

namespace certctl::common {

/// The "verify keys" of a target's settings (targets.md §4).
struct VerifySettings {
  bool enabled = true;
  std::optional<Endpoint> endpoint;  ///< absent: the connector's own, if it can derive one
  std::string server_name;           ///< empty: derived, see verify_served()
  bool all_addresses = false;
  bool check_chain = true;
  std::chrono::milliseconds delay{2'000};  ///< before the first attempt
  std::chrono::milliseconds timeout{10'000};
  int attempts = 3;
  std::chrono::milliseconds backoff{1'000};
  std::chrono::milliseconds max_backoff{16'000};
};

/// Throws Error(invalid_config).
VerifySettings read_verify_settings(const Call& call, std::uint16_t default_port);

struct Expectation {
  std::string fingerprint;
  std::string key_type;    ///< empty: any
  std::string first_name;  ///< first DNS name of the leaf
  std::vector<std::string> chain_fingerprints;
};

struct Verification {
  enum class Status { skipped, success, failed };
  Status status = Status::skipped;
  std::string endpoint;
  std::string expected;
  std::string actual;
  int attempts = 0;
  std::string error;    ///< `post-deploy TLS verify SHA-256 mismatch: got …, want …`, `TLS probe failed: …`
  std::string warning;  ///< a served chain that lacks deployed intermediates; why the check was skipped
};
std::string_view to_text(Verification::Status status);

/// Waits, probes, compares; ends at the first match. `wait` answers false when the time is up: no further attempt.
Verification verify_served(const VerifySettings& settings, const Endpoint& endpoint, const Expectation& expected,
                           const std::function<bool(std::chrono::milliseconds)>& wait);

}  // namespace certctl::common
