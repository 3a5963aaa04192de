#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>

#include "agent/activity.hpp"
#include "agent/csr_jobs.hpp"
#include "agent/delivery.hpp"
#include "agent/deployment_jobs.hpp"
#include "agent/gates.hpp"
#include "agent/heartbeat.hpp"
#include "agent/service_manager.hpp"
#include "agent/signal_watch.hpp"
#include "agent/work_poll.hpp"

namespace certctl::agent {

/// The daemon: heartbeat, poll, outbox and jobs, each on threads of its own, so that a command that hangs in a
/// deployment keeps nothing else waiting.
class Agent {
 public:
  /// Throws certctl::Error when state on disk or connection settings cannot be used.
  Agent(const Options& options, Ground ground, const Clock& clock);

  /// Until a signal, retirement or a fatal error. The exit code.
  int run(SignalWatch& signals);
  /// One heartbeat, one poll, the jobs, then the reports. The exit code.
  int run_once(SignalWatch& signals);
  /// One authenticated heartbeat; what it found, on stdout. The exit code.
  int check();

 private:
  Step work(Job& job);
  void retire(std::string_view source, const Answer& answer);
  void end(int code, std::string problem = {});
  void reload();
  void supervise();
  bool activities_move() const;
  int wind_down(SignalWatch& signals);

  const Options& options_;
  const Clock& clock_;
  Ground ground_;
  IdentityStore identity_;
  Registration registration_;
  ControlPlane control_plane_;
  Outbox outbox_;
  DeployedCertificates deployed_;
  KeyStore keys_;
  Session session_;
  CsrJobs csr_jobs_;
  DeploymentJobs deployment_jobs_;
  JobBoard jobs_;
  Heartbeat heartbeat_;
  WorkPoll poll_;
  Delivery delivery_;
  ServiceManager service_manager_;

  std::mutex mutex_;
  std::condition_variable ended_;
  std::optional<int> exit_code_;
  std::string problem_;

  Activity heartbeat_thread_;
  Activity poll_thread_;
  Activity outbox_thread_;
};

}  // namespace certctl::agent
