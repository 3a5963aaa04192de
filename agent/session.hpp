#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "agent/control_plane.hpp"
#include "agent/job_board.hpp"
#include "agent/outbox.hpp"
#include "core/base/clock.hpp"

namespace certctl::agent {

/// What the jobs need of the agent: who it is, the way to the control plane, and the outbox. All members from any
/// thread.
class Session {
 public:
  struct Signals {
    std::function<void()> heartbeat;  ///< a heartbeat now: it decides whether the agent is retired
    std::function<void()> poll;       ///< there may be new work
    std::function<void()> outbox;     ///< there is something to send
  };

  Session(ControlPlane& control_plane, Outbox& outbox, const Clock& clock, Signals signals)
      : control_plane_(control_plane), outbox_(outbox), clock_(clock), signals_(std::move(signals)) {}

  ControlPlane& control_plane() { return control_plane_; }
  const Clock& clock() const { return clock_; }

  std::string agent_id() const;
  void set_agent_id(std::string id);
  /// `/agents/<id><rest>`.
  std::string path(std::string_view rest) const;

  const Signals& signals() const { return signals_; }

  /// Puts the report into the outbox; the job is finished then. A full disk makes it `again`.
  Step finish(const Job& job, Report report);
  Step fail(const Job& job, const std::string& error, std::optional<DeploymentReport> deployment = std::nullopt);

  /// What to do about an answer that may be better later: try again, or, past the deadline, fail with `text`.
  Step later(const Job& job, const Answer& answer, const std::string& text);

 private:
  ControlPlane& control_plane_;
  Outbox& outbox_;
  const Clock& clock_;
  Signals signals_;
  mutable std::mutex mutex_;
  std::string agent_id_;
};

}  // namespace certctl::agent
