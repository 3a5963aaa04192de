#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/base/clock.hpp"
#include "core/db/executor.hpp"
#include "core/domain/audit_event.hpp"
#include "core/service/context.hpp"

namespace certctl::service {

/// Writes the append-only trail. A change and its event commit together: record() and record_call() take the
/// transaction of the change. Reads and refusals go through the queue, at most 100 ms or 500 events behind.
class Audit {
 public:
  explicit Audit(const Clock& clock) : clock_(clock) {}

  struct Entry {
    std::string action;
    std::string resource_type;
    std::string resource_id;
    json::Raw details{"null"};
  };
  void record(db::Executor db, const Context& context, const Entry& entry) const;
  /// As another actor than the context's (`system` for what an agent's report sets off).
  void record_as(db::Executor db, const Actor& actor, const std::string& request_id, const Entry& entry) const;

  /// The call's own `api_<method>` event. Once in each transaction that changes something; sets `recorded`.
  void record_call(db::Executor db, const Context& context) const;

  domain::AuditEvent call_event(const Actor& actor, const ApiCall& call, int status) const;
  domain::AuditEvent event(const Actor& actor, const Entry& entry) const;

 private:
  const Clock& clock_;
};

/// Batches the events of calls that change nothing.
class AuditQueue {
 public:
  AuditQueue(db::Database& database, std::size_t limit = 10'000);
  ~AuditQueue();
  /// False: the queue is full; the event was dropped and counted (a warning says how many).
  bool push(domain::AuditEvent event);
  /// Writes what waits and ends the thread; false: some could not be written.
  bool stop();

 private:
  void run();

  db::Database& database_;
  const std::size_t limit_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<domain::AuditEvent> waiting_;
  std::size_t dropped_ = 0;
  bool stopping_ = false;
  bool lost_ = false;
  std::thread thread_;
};

}  // namespace certctl::service
