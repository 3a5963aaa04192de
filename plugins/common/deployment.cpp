#include "plugins/common/deployment.hpp"

#include "plugins/common/deployment_run.hpp"
#include "plugins/common/locks.hpp"
#include "plugins/common/material.hpp"
#include "plugins/common/openssl.hpp"
#include "plugins/common/recovery.hpp"

namespace certctl::common {

std::string_view to_text(ValidateMode mode) {
  switch (mode) {
    case ValidateMode::none: return "none";
    case ValidateMode::builtin: return "builtin";
    case ValidateMode::in_namespace: return "namespace";
    case ValidateMode::before_and_after_commit: return "before_and_after_commit";
  }
  throw Error(Status::internal, "unknown way of validation");
}

void check_staged(const FileAccess& files, std::span<const Staged> staged, const Plan& plan) {
  std::map<Role, Snapshot> read_back;
  for (std::size_t i = 0; i < staged.size(); ++i) {
    Snapshot file = files.snapshot(staged[i].temp);
    if (file.sha256 != sha256_hex(plan.files[i].bytes.view())) {
      throw permanent(staged[i].temp + " does not hold what was written to it");
    }
    read_back.insert_or_assign(staged[i].role, std::move(file));
  }
  const auto bundle = read_back.find(Role::bundle);
  if (bundle != read_back.end()) check_pair(bundle->second.bytes.view(), bundle->second.bytes.view());
  const auto certificate = read_back.find(Role::cert);
  const auto key = read_back.find(Role::key);
  if (certificate != read_back.end() && key != read_back.end()) {
    check_pair(certificate->second.bytes.view(), key->second.bytes.view());
  }
}

DeploymentEngine::DeploymentEngine(EngineOptions options)
    : options_(std::move(options)), files_(options_.step_hook), journals_(options_.state_dir, files_) {
  if (!options_.state_dir.starts_with('/')) {
    throw invalid_request("deployments need a state folder (absolute path) from the host");
  }
}

DeploymentResult DeploymentEngine::deploy(const Plan& plan, DeploymentHooks& hooks) {
  return Run(*this, plan, hooks).go();
}

ValidateMode DeploymentEngine::dry_run(const Plan& plan, DeploymentHooks& hooks) {
  const std::string folder = options_.state_dir + "/dry-run";
  FileAccess::make_folders(folder);
  std::vector<Staged> staged;
  const auto remove_copies = [&] {
    for (const Staged& file : staged) files_.remove(file.temp);
  };
  try {
    for (std::size_t i = 0; i < plan.files.size(); ++i) {
      const std::string path = resolve_destination(plan.files[i].path);
      const bool replaces = files_.snapshot(path).existed;
      staged.push_back({folder + "/" + new_stamp(int(i)), path, plan.files[i].role, replaces});
      files_.create(staged.back().temp, plan.files[i].bytes.view(), {.mode = 0600});
    }
    check_staged(files_, staged, plan);
    const ValidateMode mode = hooks.pre_commit(staged);
    remove_copies();
    return mode;
  } catch (const DeploymentFailure&) {
    remove_copies();
    throw;
  } catch (const Error& error) {
    remove_copies();
    throw failure("pre_commit", std::string("deploy: validate (PreCommit) failed: ") + error.what(), error.status());
  }
}

void DeploymentEngine::roll_back(std::string_view token, DeploymentHooks& hooks) {
  Journal journal = Journal::parse(token);
  std::vector<std::string> names{"target " + journal.target_id};
  for (const JournalFile& file : journal.files) names.push_back(file.path);
  const Locks locks(options_.state_dir, std::move(names), options_.wait);
  try {
    undo(files_, journal, {}, hooks);
  } catch (const Error& error) {
    if (error.status() == Status::not_found) throw;
    DeploymentFailure lost = failure(
        "rollback", std::string("rollback failed; manual intervention required: ") + error.what());
    lost.manual_action_required = true;
    throw lost;
  }
  journal.state = JournalState::rolled_back;
  journals_.save(journal);
}

}  // namespace certctl::common
