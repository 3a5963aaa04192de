#pragma once

#include <mutex>
#include <string>

#include "agent/back_off.hpp"
#include "agent/control_plane.hpp"
#include "core/base/secret.hpp"

namespace certctl::agent {

/// How one activity gets on with the control plane: what it logs, how long it waits after a failure.
class Contact {
 public:
  /// `own_key`: the agent's own key from its stored identity, to fall back to when the configured one is refused.
  Contact(std::string activity, ControlPlane& control_plane, Secret own_key = {})
      : activity_(std::move(activity)), control_plane_(control_plane), own_key_(std::move(own_key)) {}

  /// The activity was answered as it should be.
  void succeeded();
  /// Logs and answers how long to wait. Retirement and an unknown agent are the caller's business.
  Duration failed(const Answer& answer);
  bool is_down() const { return back_off_.failures() > 0; }

 private:
  bool try_another_key();
  void log_refusal(const Answer& answer);

  const std::string activity_;
  ControlPlane& control_plane_;
  Secret own_key_;
  BackOff back_off_;
  std::optional<std::chrono::steady_clock::time_point> refusal_logged_;
};

}  // namespace certctl::agent
