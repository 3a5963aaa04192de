#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/common/file_access.hpp"

namespace certctl::common {

/// Where a deployment stands; each is durable before the step behind it.
enum class JournalState {
  staged,       ///< backups and temporary files may exist, no destination was touched
  committing,   ///< destinations are being renamed over
  committed,    ///< all are new, nothing was reloaded
  reloaded,     ///< the server was told
  done,         ///< and serves it
  rolled_back,  ///< everything stands as before
  rollback_failed,
};
std::string_view to_text(JournalState state);

/// One file of a deployment: enough to finish it or to undo it, never a byte of its content.
struct JournalFile {
  std::string path;  ///< links resolved
  std::string temp;
  std::string backup;      ///< empty: none was made
  std::string old_sha256;  ///< empty: nothing stood there
  std::string new_sha256;
  mode_t old_mode = 0;
  uid_t old_user = 0;
  gid_t old_group = 0;
  bool holds_key = false;
};

/// What is known of the last deployment to one target, in `<state_dir>/deployments/<target_id>.json`.
struct Journal {
  JournalState state = JournalState::staged;
  std::string target_id;
  std::string job_id;
  std::string certificate_id;
  std::string fingerprint;           ///< hex SHA-256 of the leaf
  std::string previous_fingerprint;  ///< empty: unknown
  std::int64_t started_at_ms = 0;
  std::vector<JournalFile> files;

  bool finished() const { return state == JournalState::done || state == JournalState::rolled_back; }
  std::string text() const;
  /// Throws Error(permanent) when it is no journal.
  static Journal parse(std::string_view text);
};

/// Journals in one state folder.
class JournalStore {
 public:
  JournalStore(std::string state_dir, const FileAccess& files) : state_dir_(std::move(state_dir)), files_(files) {}

  std::optional<Journal> load(const std::string& target_id) const;
  /// Replaces the file; durable on return.
  void save(const Journal& journal) const;

 private:
  std::string path_of(const std::string& target_id) const;
  std::string state_dir_;
  const FileAccess& files_;
};

}  // namespace certctl::common
