#include "plugins/common/deployment.hpp"

#include <algorithm>
#include <filesystem>

#include "plugins/common/locks.hpp"
#include "plugins/common/material.hpp"
#include "plugins/common/openssl.hpp"
#include "plugins/common/recovery.hpp"

namespace certctl::common {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kDefaultRetention = 3;
constexpr auto kStaleTemp = std::chrono::hours(1);

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

DeploymentFailure failure(const std::string& stage, const std::string& text, Status status = Status::permanent) {
  return DeploymentFailure(status, stage, text);
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

/// The bytes on the disk are those that were meant, and certificate and key still belong together.
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

}  // namespace

std::string_view to_text(ValidateMode mode) {
  switch (mode) {
    case ValidateMode::none: return "none";
    case ValidateMode::builtin: return "builtin";
    case ValidateMode::in_namespace: return "namespace";
    case ValidateMode::before_and_after_commit: return "before_and_after_commit";
  }
  throw Error(Status::internal, "unknown way of validation");
}

/// One deployment, step by step.
class DeploymentEngine::Run {
 public:
  Run(DeploymentEngine& engine, const Plan& plan, DeploymentHooks& hooks)
      : options_(engine.options_), files_(engine.files_), journals_(engine.journals_), plan_(plan), hooks_(hooks) {}

  DeploymentResult go() {
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

 private:
  template <typename F>
  void timed(const char* stage, F&& step) {
    const auto start = SteadyClock::now();
    step();
    result_.phase_ms[stage] =
        std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock::now() - start).count();
  }

  void resolve() {
    if (plan_.files.empty()) throw failure("validate_config", "deploy: plan is invalid: no files", Status::invalid_config);
    for (const PlannedFile& file : plan_.files) {
      std::string path = resolve_destination(file.path);
      if (std::ranges::find(paths_, path) != paths_.end()) {
        throw failure("validate_config", "deploy: plan is invalid: two files go to " + path, Status::invalid_config);
      }
      paths_.push_back(std::move(path));
    }
  }

  void settle_earlier() {
    earlier_ = journals_.load(plan_.target_id);
    if (!earlier_ || earlier_->finished()) return;
    settle(files_, journals_, *earlier_, hooks_, {plan_.skip_idempotent, options_.warn});
    earlier_ = journals_.load(plan_.target_id);
  }

  void take_snapshots() {
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

  bool unchanged() const {
    for (std::size_t i = 0; i < paths_.size(); ++i) {
      if (!snapshots_[i].existed || snapshots_[i].sha256 != sha256_hex(plan_.files[i].bytes.view())) return false;
    }
    return true;
  }

  /// The journal says that these very bytes were reloaded and verified, and a probe does not contradict it.
  bool is_served_already() {
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

  /// The files are right already, only the server may not know them.
  DeploymentResult reload_only() {
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

  void set_aside() {
    journal_.state = JournalState::rolled_back;
    save();
  }

  void describe(bool changes) {
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

  void save() { journals_.save(journal_); }

  void begin() {
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

  /// A step before the commit: when it fails, nothing was changed and nothing is left behind.
  template <typename F>
  void prepare(const std::string& stage_name, F&& step) {
    try {
      step();
    } catch (const Error& error) {
      clean_up();
      DeploymentFailure wrapped(error.status(), stage_name, error.what());
      throw with_result(std::move(wrapped));
    }
  }

  void clean_up() {
    try {
      remove_temps(files_, journal_);
      remove_backups(files_, journal_);
      set_aside();
    } catch (const Error& error) {
      // The journal still says "staged": the next deployment cleans up.
      options_.warn("CLEAN_UP_FAILED", error.what());
    }
  }

  void back_up() {
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

  void stage() {
    for (std::size_t i = 0; i < paths_.size(); ++i) {
      const bool applied = files_.create(journal_.files[i].temp, plan_.files[i].bytes.view(), ownerships_[i]);
      result_.ownership_not_applied = result_.ownership_not_applied || !applied;
      staged_.push_back({journal_.files[i].temp, paths_[i], plan_.files[i].role, snapshots_[i].existed});
    }
  }

  void pre_commit() {
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

  void commit() {
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

  void reload() {
    try {
      hooks_.post_commit(false);
      journal_.state = JournalState::reloaded;
      save();
    } catch (const Error& error) {
      roll_back("reload", std::string("deploy: reload (PostCommit) failed; rolled back: ") + error.what(), true,
                error.what());
    }
  }

  void verify() {
    try {
      result_.verification = hooks_.verify(plan_.fingerprint, false);
    } catch (const Error& error) {
      roll_back("verify", std::string(error.what()) + "; rolled back", true);
    }
    if (result_.verification.status != Verification::Status::failed) return;
    roll_back("verify", result_.verification.error + "; rolled back", true, result_.verification.error);
  }

  /// Ends the run: everything as before, or a person must help. `cause`: what to say in the second case.
  [[noreturn]] void roll_back(const std::string& stage_name, const std::string& text, bool reloaded,
                              const std::string& cause = {}) {
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

  void mark(JournalState state) {
    journal_.state = state;
    try {
      save();
    } catch (const Error& error) {
      // The next deployment finds the older state and comes to the same end.
      options_.warn("JOURNAL_NOT_WRITTEN", error.what());
    }
  }

  DeploymentFailure with_result(DeploymentFailure error) const {
    error.so_far = result_;
    return error;
  }

  void finish() {
    mark(JournalState::done);
    for (const std::string& path : paths_) {
      prune(path, plan_.backup_dir.empty() ? folder_of(path) : plan_.backup_dir);
    }
  }

  /// Keeps the newest backups; removes temporary files that a crash of long ago left.
  void prune(const std::string& path, const std::string& backup_folder) {
    try {
      std::vector<std::pair<std::string, std::string>> backups;
      for (const auto& entry : std::filesystem::directory_iterator(backup_folder)) {
        const std::string stamp = stamp_of(entry.path().filename(), path, "certctl-bak");
        if (!stamp.empty()) backups.emplace_back(stamp, entry.path());
      }
      std::ranges::sort(backups, std::greater<>());
      const auto keep = std::size_t(plan_.backup_retention == 0 ? kDefaultRetention : std::max(0, plan_.backup_retention));
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

  const EngineOptions& options_;
  const FileAccess& files_;
  const JournalStore& journals_;
  const Plan& plan_;
  DeploymentHooks& hooks_;

  std::vector<std::string> paths_;  // in plan order, links resolved
  std::vector<Snapshot> snapshots_;
  std::vector<Ownership> ownerships_;
  std::vector<Staged> staged_;
  std::optional<Journal> earlier_;
  Journal journal_;
  DeploymentResult result_;
};

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
