#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plugins/common/deployment.hpp"

/// One deployment, step by step. Inner header of the engine.
namespace certctl::common {

inline DeploymentFailure failure(const std::string& stage, const std::string& text, Status status = Status::permanent) {
  return DeploymentFailure(status, stage, text);
}

/// The bytes on the disk are those that were meant, and certificate and key still belong together. Throws Error.
void check_staged(const FileAccess& files, std::span<const Staged> staged, const Plan& plan);

class DeploymentEngine::Run {
 public:
  Run(DeploymentEngine& engine, const Plan& plan, DeploymentHooks& hooks)
      : options_(engine.options_), files_(engine.files_), journals_(engine.journals_), plan_(plan), hooks_(hooks) {}

  DeploymentResult go();

 private:
  template <typename F>
  void timed(const char* stage, F&& step) {
    const auto start = std::chrono::steady_clock::now();
    step();
    result_.phase_ms[stage] =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count();
  }

  void resolve();
  void settle_earlier();
  void take_snapshots();
  bool unchanged() const;

  /// The journal says that these very bytes were reloaded and verified, and a probe does not contradict it.
  bool is_served_already();

  /// The files are right already, only the server may not know them.
  DeploymentResult reload_only();
  void set_aside();
  void describe(bool changes);

  void save() { journals_.save(journal_); }

  void begin();

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

  void clean_up();
  void back_up();
  void stage();
  void pre_commit();
  void commit();
  void reload();
  void verify();

  /// Ends the run: everything as before, or a person must help. `cause`: what to say in the second case.
  [[noreturn]] void roll_back(const std::string& stage_name, const std::string& text, bool reloaded,
                              const std::string& cause = {});

  void mark(JournalState state);
  DeploymentFailure with_result(DeploymentFailure error) const;
  void finish();

  /// Keeps the newest backups; removes temporary files that a crash of long ago left.
  void prune(const std::string& path, const std::string& backup_folder);

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

}  // namespace certctl::common
