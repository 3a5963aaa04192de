#include "plugins/common/recovery.hpp"

#include <algorithm>
#include <chrono>
#include <set>

#include "plugins/common/openssl.hpp"

namespace certctl::common {
namespace {

constexpr std::size_t kStampDigits = 19;

enum class Found { all_old, all_new, mixed, foreign };

Found inspect(const FileAccess& files, const Journal& journal) {
  bool all_old = true;
  bool all_new = true;
  for (const JournalFile& file : journal.files) {
    const std::string now = files.snapshot(file.path).sha256;
    if (now != file.old_sha256 && now != file.new_sha256) return Found::foreign;
    all_old = all_old && now == file.old_sha256;
    all_new = all_new && now == file.new_sha256;
  }
  return all_new ? Found::all_new : all_old ? Found::all_old : Found::mixed;
}

/// Whether every file that is still old has its new bytes waiting under the temporary name.
bool can_go_forward(const FileAccess& files, const Journal& journal) {
  return std::ranges::all_of(journal.files, [&](const JournalFile& file) {
    return files.snapshot(file.path).sha256 == file.new_sha256 ||
           files.snapshot(file.temp).sha256 == file.new_sha256;
  });
}

void finish_renames(const FileAccess& files, const Journal& journal) {
  for (const JournalFile& file : journal.files) {
    if (files.snapshot(file.path).sha256 != file.new_sha256) files.rename(file.temp, file.path);
  }
  sync_folders(files, journal);
}

Snapshot from_backup(const FileAccess& files, const JournalFile& file) {
  Snapshot backup;
  if (!file.backup.empty()) backup = files.snapshot(file.backup);
  if (backup.sha256 != file.old_sha256) {
    throw Error(Status::not_found, "the backup of " + file.path + " is gone or was changed");
  }
  backup.mode = file.old_mode;
  backup.user = file.old_user;
  backup.group = file.old_group;
  return backup;
}

void restore_file(const FileAccess& files, const JournalFile& file, const Snapshots& snapshots) {
  if (file.old_sha256 == file.new_sha256) return;
  if (file.old_sha256.empty()) return files.remove(file.path);
  if (files.snapshot(file.path).sha256 == file.old_sha256) return;
  const auto known = snapshots.find(file.path);
  const Snapshot loaded = known == snapshots.end() ? from_backup(files, file) : Snapshot();
  const Snapshot& old = known == snapshots.end() ? loaded : *known->second;
  const std::string temp = temp_name(file.path, new_stamp(), name_of(file.temp).starts_with('.'));
  Ownership ownership = old.ownership();
  ownership.required = false;
  files.create(temp, old.bytes.view(), ownership);
  files.rename(temp, file.path);
}

DeploymentFailure needs_help(const Journal& journal, const std::string& why) {
  DeploymentFailure failure(Status::permanent, "rollback", why);
  failure.manual_action_required = true;
  failure.so_far.previous_fingerprint = journal.previous_fingerprint;
  for (const JournalFile& file : journal.files) {
    if (!file.backup.empty()) failure.so_far.backup_paths.push_back(file.backup);
  }
  return failure;
}

/// One that was committed: reload and verify again, and undo it if that fails.
void roll_forward(const FileAccess& files, const JournalStore& journals, Journal& journal, DeploymentHooks& hooks,
                  const SettleOptions& options) {
  std::string cause;
  try {
    hooks.check_committed();
    hooks.post_commit(false);
    const Verification served = hooks.verify(journal.fingerprint, false);
    if (served.status == Verification::Status::failed) cause = served.error;
  } catch (const Error& error) {
    cause = error.what();
  }
  if (cause.empty()) {
    journal.state = JournalState::done;
    journals.save(journal);
    options.warn("DEPLOYMENT_ROLLED_FORWARD", "a deployment that was cut off has been finished");
    return;
  }
  try {
    undo(files, journal, {}, hooks);
  } catch (const Error& error) {
    journal.state = JournalState::rollback_failed;
    journals.save(journal);
    throw needs_help(journal, "deploy: reload failed AND rollback also failed; manual intervention required: " + cause +
                                  "; rollback: " + error.what());
  }
  journal.state = JournalState::rolled_back;
  journals.save(journal);
  options.warn("DEPLOYMENT_ROLLED_BACK", "a deployment that was cut off has been undone: " + cause);
}

void settle_back(const FileAccess& files, const JournalStore& journals, Journal& journal, DeploymentHooks& hooks,
                 const SettleOptions& options) {
  try {
    restore(files, journal, {});
  } catch (const Error& error) {
    throw needs_help(journal, std::string("deploy: an earlier deployment was cut off and cannot be undone; manual "
                                          "intervention required: ") + error.what());
  }
  try {
    hooks.post_commit(true);
  } catch (const Error& error) {
    // The files are whole again, and the deployment that follows reloads by itself.
    options.warn("SETTLE_RELOAD_FAILED", error.what());
  }
  journal.state = JournalState::rolled_back;
  journals.save(journal);
  options.warn("DEPLOYMENT_ROLLED_BACK", "a deployment that was cut off has been undone");
}

}  // namespace

std::string new_stamp(int offset) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::string digits =
      std::to_string(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count() + offset);
  return std::string(kStampDigits - std::min(kStampDigits, digits.size()), '0') + digits;
}

std::string temp_name(const std::string& path, const std::string& stamp, bool hidden) {
  return folder_of(path) + "/" + (hidden ? "." : "") + name_of(path) + ".certctl-tmp." + stamp;
}

std::string backup_name(const std::string& path, const std::string& stamp, bool hidden, const std::string& backup_dir) {
  std::string name = name_of(path);
  if (!backup_dir.empty()) {
    // Files of one name from several folders meet in one backup folder.
    name = path;
    std::ranges::replace(name, '/', '_');
  }
  return (backup_dir.empty() ? folder_of(path) : backup_dir) + "/" + (hidden ? "." : "") + name + ".certctl-bak." +
         stamp;
}

std::string stamp_of(const std::string& name, const std::string& path, const char* kind) {
  std::string flat = path;
  std::ranges::replace(flat, '/', '_');
  for (const std::string& base : {name_of(path), "." + name_of(path), flat, "." + flat}) {
    const std::string prefix = base + "." + kind + ".";
    if (!name.starts_with(prefix)) continue;
    const std::string stamp = name.substr(prefix.size());
    if (stamp.size() == kStampDigits && stamp.find_first_not_of("0123456789") == std::string::npos) return stamp;
  }
  return {};
}

void sync_folders(const FileAccess& files, const Journal& journal) {
  std::set<std::string> folders;
  for (const JournalFile& file : journal.files) folders.insert(folder_of(file.path));
  for (const std::string& folder : folders) files.sync_folder(folder);
}

void remove_temps(const FileAccess& files, const Journal& journal) {
  for (const JournalFile& file : journal.files) {
    if (!file.temp.empty()) files.remove(file.temp);
  }
}

void remove_backups(const FileAccess& files, const Journal& journal) {
  for (const JournalFile& file : journal.files) {
    if (!file.backup.empty()) files.remove(file.backup);
  }
}

void restore(const FileAccess& files, const Journal& journal, const Snapshots& snapshots) {
  for (const JournalFile& file : journal.files) restore_file(files, file, snapshots);
  remove_temps(files, journal);
  sync_folders(files, journal);
}

void undo(const FileAccess& files, const Journal& journal, const Snapshots& snapshots, DeploymentHooks& hooks) {
  restore(files, journal, snapshots);
  hooks.post_commit(true);
  if (journal.previous_fingerprint.empty()) return;
  const Verification served = hooks.verify(journal.previous_fingerprint, true);
  if (served.status == Verification::Status::failed) throw permanent(served.error);
}

void settle(const FileAccess& files, const JournalStore& journals, Journal journal, DeploymentHooks& hooks,
            const SettleOptions& options) {
  if (journal.finished()) return;
  if (journal.state == JournalState::staged) {
    remove_temps(files, journal);
    remove_backups(files, journal);
    journal.state = JournalState::rolled_back;
    journals.save(journal);
    return;
  }
  const Found found = inspect(files, journal);
  if (found == Found::foreign) {
    if (!options.force) {
      throw needs_help(
          journal,
          "deploy: an earlier deployment was cut off and somebody else has changed its files since; manual "
          "intervention required: check them, then deploy with force");
    }
    options.warn("JOURNAL_ABANDONED", "files of a deployment that was cut off had been changed by somebody else");
    remove_temps(files, journal);
    return;
  }
  const bool forward = journal.state != JournalState::rollback_failed &&
                       (found == Found::all_new || (found == Found::mixed && can_go_forward(files, journal)) ||
                        (found == Found::all_old && can_go_forward(files, journal)));
  if (!forward) return settle_back(files, journals, journal, hooks, options);
  finish_renames(files, journal);
  journal.state = JournalState::committed;
  journals.save(journal);
  roll_forward(files, journals, journal, hooks, options);
}

}  // namespace certctl::common
