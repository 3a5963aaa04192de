#include "plugins/common/deployment_run.hpp"

#include <algorithm>
#include <filesystem>

#include "plugins/common/locks.hpp"
#include "plugins/common/material.hpp"
#include "plugins/common/openssl.hpp"
#include "plugins/common/recovery.hpp"

namespace certctl::common {
namespace {

constexpr int kDefaultRetention = 3;
constexpr auto kStaleTemp = std::chrono::hours(1);

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// The certificate that a cert or bundle file held; empty: none that can be read.
std::string fingerprint_in(const Snapshot& snapshot) {
  if (!snapshot.existed) return {};
  try {
    return read_certificate(snapshot.bytes.view()).fingerprint;
  } catch (const Error&) {
    return {};  // whatever it was, there is no certificate to prove after a rollback
  }
}

}  // namespace

DeploymentResult DeploymentEngine::Run::go() {
  resolve();
  std::vector<std::string> names = paths_;
  names.push_back("target " + plan_.target_id);
  const Locks locks(options_.state_dir, std::move(names), options_.wait);
  settle_earlier();
  timed("snapshot", [&] { take_snapshots(); });
  if (!plan_.skip_idempotent && unchanged()) {
    if (is_served_already()) return std::move(result_);
    return reload_only();
  }
  begin();
  timed("stage", [&] { prepare("snapshot", [&] { back_up(); }); prepare("stage", [&] { stage(); }); });
  timed("pre_commit", [&] { pre_commit(); });
  timed("commit", [&] { commit(); });
  timed("reload", [&] { reload(); });
  timed("verify", [&] { verify(); });
  finish();
  return std::move(result_);
}

void DeploymentEngine::Run::resolve() {
  if (plan_.files.empty())
    throw failure("validate_config", "deploy: plan is invalid: no files", Status::invalid_config);
  for (const PlannedFile& file : plan_.files) {
    std::string path = resolve_destination(file.path);
    if (std::ranges::find(paths_, path) != paths_.end()) {
      throw failure("validate_config", "deploy: plan is invalid: two files go to " + path, Status::invalid_config);
    }
    paths_.push_back(std::move(path));
  }
}

void DeploymentEngine::Run::settle_earlier() {
  earlier_ = journals_.load(plan_.target_id);
  if (!earlier_ || earlier_->finished()) return;
  settle(files_, journals_, *earlier_, hooks_, {plan_.skip_idempotent, options_.warn});
  earlier_ = journals_.load(plan_.target_id);
}

void DeploymentEngine::Run::take_snapshots() {
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    try {
      snapshots_.push_back(files_.snapshot(paths_[i]));
    } catch (const Error& error) {
      throw failure("snapshot", error.what());
    }
    const Role role = plan_.files[i].role;
    if (role == Role::cert || role == Role::bundle) result_.previous_fingerprint = fingerprint_in(snapshots_.back());
  }
}

bool DeploymentEngine::Run::unchanged() const {
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    if (!snapshots_[i].existed || snapshots_[i].sha256 != sha256_hex(plan_.files[i].bytes.view())) return false;
  }
  return true;
}

bool DeploymentEngine::Run::is_served_already() {
  if (!earlier_ || earlier_->state != JournalState::done || earlier_->fingerprint != plan_.fingerprint) return false;
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    const auto file = std::ranges::find(earlier_->files, paths_[i], &JournalFile::path);
    if (file == earlier_->files.end() || file->new_sha256 != snapshots_[i].sha256) return false;
  }
  result_.verification = hooks_.verify(plan_.fingerprint, false);
  if (result_.verification.status == Verification::Status::failed) return false;
  result_.idempotent = true;
  // Its own job again (the answer was lost, or a crash was settled): report what that run did.
  if (earlier_->job_id == plan_.job_id) {
    result_.previous_fingerprint = earlier_->previous_fingerprint;
    for (const JournalFile& file : earlier_->files) {
      if (!file.backup.empty()) result_.backup_paths.push_back(file.backup);
    }
  }
  return true;
}

DeploymentResult DeploymentEngine::Run::reload_only() {
  describe(false);
  journal_.state = JournalState::committed;
  save();
  try {
    timed("reload", [&] { hooks_.post_commit(false); });
    timed("verify", [&] { result_.verification = hooks_.verify(plan_.fingerprint, false); });
  } catch (const Error& error) {
    set_aside();
    throw with_result(failure("reload", std::string("deploy: reload (PostCommit) failed: ") + error.what() +
                                            " (no file had to be changed)"));
  }
  if (result_.verification.status == Verification::Status::failed) {
    set_aside();
    throw with_result(failure("verify", result_.verification.error + " (no file had to be changed)"));
  }
  finish();
  return std::move(result_);
}

void DeploymentEngine::Run::set_aside() {
  journal_.state = JournalState::rolled_back;
  save();
}

void DeploymentEngine::Run::describe(bool changes) {
  journal_ = {};
  journal_.target_id = plan_.target_id;
  journal_.job_id = plan_.job_id;
  journal_.certificate_id = plan_.certificate_id;
  journal_.fingerprint = plan_.fingerprint;
  journal_.previous_fingerprint = result_.previous_fingerprint;
  journal_.started_at_ms = now_ms();
  const std::string stamp = new_stamp();
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    const Snapshot& old = snapshots_[i];
    JournalFile file{paths_[i],  {},       {},       old.sha256, sha256_hex(plan_.files[i].bytes.view()),
                     old.mode,   old.user, old.group, holds_key(plan_.files[i].role)};
    if (changes) {
      file.temp = temp_name(paths_[i], stamp, plan_.hidden_names);
      if (old.existed && plan_.backup_retention >= 0) {
        file.backup = backup_name(paths_[i], stamp, plan_.hidden_names, plan_.backup_dir);
      }
    }
    journal_.files.push_back(std::move(file));
  }
}

void DeploymentEngine::Run::begin() {
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    ownerships_.push_back(resolve_ownership(plan_.files[i].wish, snapshots_[i], plan_.files[i].defaults));
  }
  describe(true);
  try {
    save();
  } catch (const Error& error) {
    throw failure("snapshot", std::string("the deployment journal cannot be written: ") + error.what());
  }
  try {
    options_.checkpoint(journal_.text());
  } catch (const Error&) {
    set_aside();
    throw;
  }
}

void DeploymentEngine::Run::clean_up() {
  try {
    remove_temps(files_, journal_);
    remove_backups(files_, journal_);
    set_aside();
  } catch (const Error& error) {
    // The journal still says "staged": the next deployment cleans up.
    options_.warn("CLEAN_UP_FAILED", error.what());
  }
}

void DeploymentEngine::Run::back_up() {
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    const JournalFile& file = journal_.files[i];
    if (file.backup.empty()) continue;
    Ownership ownership = snapshots_[i].ownership();
    ownership.mode &= file.holds_key ? 0770 : 0777;
    ownership.required = false;
    files_.create(file.backup, snapshots_[i].bytes.view(), ownership);
    result_.backup_paths.push_back(file.backup);
  }
}

void DeploymentEngine::Run::stage() {
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    const bool applied = files_.create(journal_.files[i].temp, plan_.files[i].bytes.view(), ownerships_[i]);
    result_.ownership_not_applied = result_.ownership_not_applied || !applied;
    staged_.push_back({journal_.files[i].temp, paths_[i], plan_.files[i].role, snapshots_[i].existed});
  }
}

void DeploymentEngine::Run::pre_commit() {
  prepare("pre_commit", [&] {
    try {
      check_staged(files_, staged_, plan_);
      result_.validate_mode = hooks_.pre_commit(staged_);
    } catch (const Error& error) {
      throw Error(error.status(), std::string("deploy: validate (PreCommit) failed: ") + error.what());
    }
    if (!options_.wait(std::chrono::milliseconds(0))) {
      throw Error(Status::cancelled, "cancelled before anything was changed");
    }
    journal_.state = JournalState::committing;
    save();
  });
}

void DeploymentEngine::Run::commit() {
  try {
    for (const Staged& file : staged_) files_.rename(file.temp, file.path);
    sync_folders(files_, journal_);
    journal_.state = JournalState::committed;
    save();
  } catch (const Error& error) {
    roll_back("commit", error.what(), false);
  }
  if (result_.validate_mode != ValidateMode::before_and_after_commit) return;
  try {
    hooks_.check_committed();
  } catch (const Error& error) {
    roll_back("pre_commit", std::string("deploy: validate (PreCommit) failed: ") + error.what(), false);
  }
}

void DeploymentEngine::Run::reload() {
  try {
    hooks_.post_commit(false);
    journal_.state = JournalState::reloaded;
    save();
  } catch (const Error& error) {
    roll_back("reload", std::string("deploy: reload (PostCommit) failed; rolled back: ") + error.what(), true,
              error.what());
  }
}

void DeploymentEngine::Run::verify() {
  try {
    result_.verification = hooks_.verify(plan_.fingerprint, false);
  } catch (const Error& error) {
    roll_back("verify", std::string(error.what()) + "; rolled back", true);
  }
  if (result_.verification.status != Verification::Status::failed) return;
  roll_back("verify", result_.verification.error + "; rolled back", true, result_.verification.error);
}

void DeploymentEngine::Run::roll_back(const std::string& stage_name, const std::string& text, bool reloaded,
                            const std::string& cause) {
  Snapshots snapshots;
  for (std::size_t i = 0; i < paths_.size(); ++i) snapshots[paths_[i]] = &snapshots_[i];
  try {
    if (reloaded) {
      undo(files_, journal_, snapshots, hooks_);
    } else {
      restore(files_, journal_, snapshots);
    }
  } catch (const Error& error) {
    mark(JournalState::rollback_failed);
    std::string backups;
    for (const std::string& path : result_.backup_paths) backups += (backups.empty() ? "" : ", ") + path;
    DeploymentFailure lost = failure(
        "rollback", "deploy: reload failed AND rollback also failed; manual intervention required: " +
                        (cause.empty() ? text : cause) + "; rollback: " + error.what() +
                        (backups.empty() ? "" : "; backups: " + backups));
    lost.manual_action_required = true;
    throw with_result(std::move(lost));
  }
  mark(JournalState::rolled_back);
  DeploymentFailure restored = failure(stage_name, text);
  restored.rolled_back = true;
  throw with_result(std::move(restored));
}

void DeploymentEngine::Run::mark(JournalState state) {
  journal_.state = state;
  try {
    save();
  } catch (const Error& error) {
    // The next deployment finds the older state and comes to the same end.
    options_.warn("JOURNAL_NOT_WRITTEN", error.what());
  }
}

DeploymentFailure DeploymentEngine::Run::with_result(DeploymentFailure error) const {
  error.so_far = result_;
  return error;
}

void DeploymentEngine::Run::finish() {
  mark(JournalState::done);
  for (const std::string& path : paths_) {
    prune(path, plan_.backup_dir.empty() ? folder_of(path) : plan_.backup_dir);
  }
}

void DeploymentEngine::Run::prune(const std::string& path, const std::string& backup_folder) {
  try {
    std::vector<std::pair<std::string, std::string>> backups;
    for (const auto& entry : std::filesystem::directory_iterator(backup_folder)) {
      const std::string stamp = stamp_of(entry.path().filename(), path, "certctl-bak");
      if (!stamp.empty()) backups.emplace_back(stamp, entry.path());
    }
    std::ranges::sort(backups, std::greater<>());
    const auto keep =
        std::size_t(plan_.backup_retention == 0 ? kDefaultRetention : std::max(0, plan_.backup_retention));
    for (std::size_t i = keep; i < backups.size(); ++i) files_.remove(backups[i].second);
    const std::string stale = new_stamp().substr(0, 10);
    for (const auto& entry : std::filesystem::directory_iterator(folder_of(path))) {
      const std::string stamp = stamp_of(entry.path().filename(), path, "certctl-tmp");
      const bool old = !stamp.empty() && std::stoll(stamp.substr(0, 10)) + std::chrono::seconds(kStaleTemp).count() <
                                             std::stoll(stale);
      if (old) files_.remove(entry.path());
    }
  } catch (const std::filesystem::filesystem_error& error) {
    result_.warnings.push_back("old backups were not removed: " + error.code().message());
  } catch (const Error& error) {
    result_.warnings.push_back(std::string("old backups were not removed: ") + error.what());
  }
}

}  // namespace certctl::common
