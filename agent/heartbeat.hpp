#pragma once

#include <functional>
#include <string>

#include "agent/contact.hpp"
#include "agent/deployed.hpp"
#include "agent/registration.hpp"
#include "agent/session.hpp"
#include "core/plugin/host.hpp"

namespace certctl::agent {

/// How an activity ends the agent.
struct Ending {
  /// The control plane has retired the agent: `source` is `heartbeat`, `work_poll`, ….
  std::function<void(std::string_view source, const Answer& answer)> retired;
  /// There is no point in going on; the text goes to stderr, exit 1.
  std::function<void(const std::string& text)> fatal;
};

/// Tells the control plane that the agent lives, registers it where needed, and learns what the server can do.
class Heartbeat {
 public:
  struct Pace {
    Duration heartbeat{};
    Duration poll{};
  };

  Heartbeat(Session& session, Registration& registration, const Options& options, JobBoard& jobs, const Outbox& outbox,
            DeployedCertificates& deployed, std::shared_ptr<plugin::Host> plugins, Ending ending);

  /// One heartbeat, or one registration; how long to wait before the next.
  Duration turn();
  /// Whether the last turn ended well.
  bool is_well() const { return well_; }
  Pace pace() const;
  /// Ends the request that is under way, and later ones at once.
  void cancel() { cancellation_.cancel(); }

 private:
  Duration register_agent();
  Duration unknown_agent(const Answer& answer);
  Duration recorded(const Answer& answer);
  void take_pace(const json::Value& answer);
  void warn_of_expiry();
  std::string body() const;

  Session& session_;
  Registration& registration_;
  const Options& options_;
  JobBoard& jobs_;
  const Outbox& outbox_;
  DeployedCertificates& deployed_;
  std::shared_ptr<plugin::Host> plugins_;
  const Ending ending_;
  const HostFacts facts_;
  const Time started_;
  Contact contact_;
  http::Cancellation cancellation_;
  mutable std::mutex mutex_;
  Pace pace_;
  bool ever_recorded_ = false;
  bool well_ = false;
  Time expiry_warned_{};
};

}  // namespace certctl::agent
