#pragma once

#include <map>
#include <string>

#include "plugins/common/deployment.hpp"

/// Undoing a deployment and settling one that a crash cut off. Inner header of the engine.
namespace certctl::common {

/// What stood at each path, as long as this process knows it.
using Snapshots = std::map<std::string, const Snapshot*>;

/// 19 digits: nanoseconds since 1970.
std::string new_stamp(int offset = 0);
/// `<folder>/<name>.certctl-tmp.<stamp>`, with a leading dot where hidden names are asked for.
std::string temp_name(const std::string& path, const std::string& stamp, bool hidden);
std::string backup_name(const std::string& path, const std::string& stamp, bool hidden, const std::string& backup_dir);
/// Stamp of `name` if it is a backup (or temporary file) of `path`; empty: it is not.
std::string stamp_of(const std::string& name, const std::string& path, const char* kind);

void sync_folders(const FileAccess& files, const Journal& journal);
void remove_temps(const FileAccess& files, const Journal& journal);
void remove_backups(const FileAccess& files, const Journal& journal);

/// Puts back every file of the journal, from memory or from its backup; durable on return. Throws Error.
void restore(const FileAccess& files, const Journal& journal, const Snapshots& snapshots);
/// restore(), then tells the server and checks what it serves. Throws Error.
void undo(const FileAccess& files, const Journal& journal, const Snapshots& snapshots, DeploymentHooks& hooks);

struct SettleOptions {
  bool force = false;  ///< go on although files match neither side
  std::function<void(std::string_view, std::string_view)> warn;
};
/// Brings an unfinished deployment to one of its two ends (targets.md §3.5). Throws DeploymentFailure when a person
/// must look.
void settle(const FileAccess& files, const JournalStore& journals, Journal journal, DeploymentHooks& hooks,
            const SettleOptions& options);

}  // namespace certctl::common
