#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/report.hpp"
#include "core/base/clock.hpp"

namespace certctl::agent {

/// One request that must reach the control plane.
struct Letter {
  std::uint64_t sequence = 0;
  std::string job_id;
  std::string status;  ///< `Completed`, `Failed`; `verify` for a verification result
  std::string path;    ///< below `/api/v1`; `{agent}` stands for the agent's id
  std::string body;
  Time written{};
};

/// Reports that survive crashes and absences of the control plane (agent.md §8.3):
///
///     <folder>/<sequence>-<job>.json   waits for an answer
///     <folder>/sent/<job>.json         a `Completed` report that was answered, so that a job which is handed out again
///     is
///                                      answered again instead of being run again
///
/// All members from any thread.
class Outbox {
 public:
  static constexpr std::size_t kMostLetters = 10'000;
  static constexpr Duration kLife = std::chrono::hours(7 * 24);

  Outbox(std::filesystem::path folder, const Clock& clock);

  /// Durable on return; nothing of a job may be done again after that.
  void put(const Report& report, const std::string& target_id);

  /// Whether a report of this job waits, or has been answered with the job completed.
  bool is_finished(const std::string& job_id) const;
  /// Sends an answered `Completed` report again; false: there is none, or one waits anyway.
  bool repeat(const std::string& job_id);

  std::size_t size() const;
  /// In order; those of one job must be sent in this order.
  std::vector<Letter> waiting() const;
  /// The control plane has taken it.
  void delivered(const Letter& letter);
  /// It never will.
  void discard(const Letter& letter);
  /// Replaces the body: without optional members, for servers that find it too large.
  void shrink(const Letter& letter, std::string body);

  /// Drops what is older than kLife or beyond kMostLetters.
  void prune();

 private:
  std::filesystem::path path_of(const Letter& letter) const;
  std::filesystem::path sent_path(const std::string& job_id) const;
  void write(const Letter& letter);
  void reserve();
  bool release_reserve();

  std::filesystem::path folder_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::uint64_t, Letter> letters_;
  std::uint64_t next_ = 1;
};

}  // namespace certctl::agent
