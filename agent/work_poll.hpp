#pragma once

#include <mutex>
#include <set>

#include "agent/contact.hpp"
#include "agent/heartbeat.hpp"
#include "agent/job_board.hpp"
#include "agent/session.hpp"

namespace certctl::agent {

/// Fetches work: by long poll where the server names it, else at the poll interval.
class WorkPoll {
 public:
  WorkPoll(Session& session, JobBoard& jobs, Outbox& outbox, const Heartbeat& heartbeat, Ending ending)
      : session_(session),
        jobs_(jobs),
        outbox_(outbox),
        heartbeat_(heartbeat),
        ending_(std::move(ending)),
        contact_("work_poll", session.control_plane()) {}

  /// One poll that waits at the server if `may_wait`; how long to wait before the next.
  Duration turn(bool may_wait = true);
  bool is_well() const { return well_; }
  void cancel() { cancellation_.cancel(); }

 private:
  Duration take(const Answer& answer, bool long_poll, Duration took);
  bool offer(const WorkItem& item);

  Session& session_;
  JobBoard& jobs_;
  Outbox& outbox_;
  const Heartbeat& heartbeat_;
  const Ending ending_;
  Contact contact_;
  http::Cancellation cancellation_;
  std::set<std::string> ignored_;  // kinds of work that were logged as unknown
  bool well_ = false;
};

}  // namespace certctl::agent
