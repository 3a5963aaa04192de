#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "agent/outbox.hpp"
#include "agent/work_item.hpp"
#include "core/base/clock.hpp"
#include "core/plugin/call.hpp"

namespace certctl::agent {

/// A work item that was accepted.
struct Job {
  WorkItem item;
  Time deadline{};
  bool resumed = false;  ///< accepted by an earlier run of the agent
  int tries = 0;         ///< steps before this one
  std::shared_ptr<plugin::Cancellation> cancellation;
};

/// How one step of a job ended.
struct Step {
  enum class End { completed, failed, dropped, again } end = End::completed;
  Duration after{};  ///< again: not before

  static Step again(Duration after) { return {End::again, after}; }
};

/// Jobs between acceptance and report. Each is kept as `<folder>/<job>.json` from before it is begun until its report
/// is in the outbox, so that none is lost with the process: an upstream server hands a claimed job out only once.
/// Different targets run in parallel, one job at a time each; requests go before deployments of the same certificate.
class JobBoard {
 public:
  static constexpr Duration kJobLife = std::chrono::minutes(15);
  /// Runs one step; must not throw.
  using Work = std::function<Step(Job&)>;

  JobBoard(std::filesystem::path folder, Outbox& outbox, const Clock& clock);
  ~JobBoard();

  /// Starts the threads and takes up what an earlier run left.
  void start(int threads, Work work);

  enum class Offer { accepted, known, finished };
  /// Journals the item and queues it; durable on return.
  Offer offer(const WorkItem& item);

  /// Ids of all accepted jobs, running or waiting.
  std::vector<std::string> ids() const;
  std::size_t size() const;
  /// Whether nothing is left after at most `limit`.
  bool wait_idle(std::chrono::milliseconds limit);
  bool any_failed() const;

  /// Begins nothing more and gives what runs `grace` to end, then `after_cancel` to react to its cancellation.
  /// False: something still runs. What was not begun is resumed at the next start.
  bool stop(std::chrono::milliseconds grace, std::chrono::milliseconds after_cancel);

 private:
  struct Entry {
    Job job;
    std::string lane;
    std::chrono::steady_clock::time_point not_before{};
    bool running = false;
  };
  void resume();
  void enqueue(WorkItem item, bool resumed);
  void run();
  std::shared_ptr<Entry> pick(std::chrono::steady_clock::time_point& next) const;
  bool waits_for_request(const Entry& entry) const;
  void settle(const std::shared_ptr<Entry>& entry, const Step& step);
  std::filesystem::path path_of(const std::string& job_id) const;

  std::filesystem::path folder_;
  Outbox& outbox_;
  const Clock& clock_;
  Work work_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<Entry>> entries_;  // in order of acceptance
  std::vector<std::thread> threads_;
  std::size_t running_ = 0;
  bool stopping_ = false;
  bool any_failed_ = false;
};

}  // namespace certctl::agent
