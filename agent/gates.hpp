#pragma once

#include <filesystem>
#include <memory>

#include "agent/options.hpp"
#include "core/plugin/host.hpp"

namespace certctl::agent {

/// Held while this process is the one agent of a state directory.
class InstanceLock {
 public:
  /// Throws Error(conflict) when another agent holds it.
  explicit InstanceLock(const std::filesystem::path& state_dir);
  ~InstanceLock();
  InstanceLock(const InstanceLock&) = delete;
  InstanceLock& operator=(const InstanceLock&) = delete;

 private:
  int descriptor_ = -1;
};

/// What the start gates made ready.
struct Ground {
  std::filesystem::path key_dir;  ///< `<key_dir>/agent` where the directory itself belongs to somebody else
  std::unique_ptr<InstanceLock> lock;
  std::shared_ptr<plugin::Host> plugins;
};

/// Whether an earlier run found the agent retired.
bool is_retired(const std::filesystem::path& state_dir);

/// The gates of agent.md §1.3 in their order. Throws certctl::Error with the line to print; nothing has been asked of
/// the network. `-check-config` takes no lock, so that it can be run beside a working agent.
Ground pass_gates(const Options& options, std::shared_ptr<const Clock> clock);

/// The path at which private keys may be kept: made or tightened to 0700, owned by this process's user.
std::filesystem::path ready_key_folder(const std::filesystem::path& key_dir);

/// Throws Error(invalid): unreadable, or without a certificate. Empty path: nothing to check.
void check_ca_bundle(const std::string& path);

}  // namespace certctl::agent
