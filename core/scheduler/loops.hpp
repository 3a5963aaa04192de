#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/db/leases.hpp"
#include "core/service/renewal_scan.hpp"

namespace certctl::scheduler {

/// Work that one instance of all does at a time.
struct Loop {
  std::string name;
  Duration interval;
  /// Runs in slices, each transaction under the guard. Returns when it wants to run again, if earlier than the interval.
  std::function<std::optional<Time>(const service::Guard& guard)> run;
};

/// The singleton loops: `scheduler_loops` is the cluster's timetable, the fenced lease `loop/<name>` the mutual exclusion.
/// A replica that dies is replaced within the lease's 15 s; one that was paused writes nothing when it wakes up.
class Loops {
 public:
  Loops(db::Database& database, db::Leases& leases, const Clock& clock, std::vector<Loop> loops);
  ~Loops();

  void start();
  void stop();
  /// Runs a loop before it is due, on whichever instance holds it.
  void hurry(const std::string& name);

 private:
  void run();
  void run_if_due(const Loop& loop);

  db::Database& database_;
  db::Leases& leases_;
  const Clock& clock_;
  const std::vector<Loop> loops_;
  std::mutex mutex_;
  std::condition_variable ready_;
  bool stopping_ = false;
  bool hurried_ = false;
  std::thread thread_;
};

}  // namespace certctl::scheduler
