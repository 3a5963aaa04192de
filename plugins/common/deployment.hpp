#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <certctl/status.hpp>

#include "plugins/common/file_access.hpp"
#include "plugins/common/journal.hpp"
#include "plugins/common/ownership.hpp"
#include "plugins/common/verification.hpp"

/// The deployment engine (targets.md §3): a set of files is replaced as a whole, or not at all.
namespace certctl::common {

enum class Role { cert, chain, key, bundle, config };
inline bool holds_key(Role role) { return role == Role::key || role == Role::bundle; }

struct PlannedFile {
  std::string path;
  SecretText bytes;
  Role role = Role::cert;
  OwnershipWish wish;
  OwnershipDefaults defaults;
};

struct Plan {
  std::string target_id;
  std::string job_id;
  std::string certificate_id;
  std::string fingerprint;  ///< hex SHA-256 of the leaf
  std::vector<PlannedFile> files;
  int backup_retention = 3;  ///< 0: the default; -1: no backup files
  std::string backup_dir;    ///< empty: beside the file
  bool hidden_names = false;  ///< for servers that load whole folders
  bool skip_idempotent = false;
};

/// A file under its temporary name, and where it is going.
struct Staged {
  std::string temp;
  std::string path;
  Role role = Role::cert;
  bool replaces = false;  ///< something stands at `path`
};

enum class ValidateMode { none, builtin, in_namespace, before_and_after_commit };
std::string_view to_text(ValidateMode mode);

/// What a connector does between the file steps. Each throws Error with the reason.
class DeploymentHooks {
 public:
  virtual ~DeploymentHooks() = default;
  /// Checks the new bytes while the old ones are in place.
  virtual ValidateMode pre_commit(std::span<const Staged> files) = 0;
  /// After the commit and before the reload, only where pre_commit() answered before_and_after_commit.
  virtual void check_committed() = 0;
  /// Tells the server. `rollback`: the old files are back.
  virtual void post_commit(bool rollback) = 0;
  /// Whether `fingerprint` is served.
  virtual Verification verify(const std::string& fingerprint, bool rollback) = 0;
};

struct DeploymentResult {
  bool idempotent = false;
  bool ownership_not_applied = false;
  ValidateMode validate_mode = ValidateMode::none;
  Verification verification;
  std::string previous_fingerprint;
  std::vector<std::string> backup_paths;
  std::map<std::string, std::int64_t> phase_ms;
  std::vector<std::string> warnings;
};

/// How a deployment ended badly; the text begins with one of upstream's stable phrases.
class DeploymentFailure : public Error {
 public:
  DeploymentFailure(Status status, std::string stage, const std::string& text)
      : Error(status, text), stage_(std::move(stage)) {}
  const std::string& stage() const { return stage_; }
  bool rolled_back = false;             ///< everything stands as before
  bool manual_action_required = false;  ///< a person must look; automatic retries must stop
  DeploymentResult so_far;

 private:
  std::string stage_;
};

/// What the engine needs from its surroundings.
struct EngineOptions {
  std::string state_dir;
  FileAccess::StepHook step_hook;  ///< tests: faults and crashes
  /// Waits; false: cancelled, or the time is up. Not asked once a rollback runs.
  std::function<bool(std::chrono::milliseconds)> wait = [](std::chrono::milliseconds) { return true; };
  /// Makes the rollback token durable before the first change; throws Error when that fails.
  std::function<void(std::string_view token)> checkpoint = [](std::string_view) {};
  std::function<void(std::string_view event, std::string_view text)> warn = [](std::string_view, std::string_view) {};
};

class DeploymentEngine {
 public:
  explicit DeploymentEngine(EngineOptions options);

  /// Settles what an earlier deployment to this target left, then deploys. Throws DeploymentFailure.
  DeploymentResult deploy(const Plan& plan, DeploymentHooks& hooks);

  /// Plan and pre_commit() with copies of the new files in the state folder. Throws DeploymentFailure.
  ValidateMode dry_run(const Plan& plan, DeploymentHooks& hooks);

  /// Back to what stood before the deployment whose checkpoint was `token`. Throws Error(not_found) when a backup is no
  /// longer there, DeploymentFailure when it fails on the way.
  void roll_back(std::string_view token, DeploymentHooks& hooks);

 private:
  class Run;
  EngineOptions options_;
  FileAccess files_;
  JournalStore journals_;
};

/// Links followed, checks of targets.md §3.1 done. Throws DeploymentFailure `deploy: plan is invalid: …`.
std::string resolve_destination(const std::string& path);

}  // namespace certctl::common
