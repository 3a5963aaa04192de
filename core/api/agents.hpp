#pragma once

#include <functional>
#include <memory>

#include "core/db/wake_ups.hpp"
#include "core/http/router.hpp"
#include "core/service/agent_work.hpp"
#include "core/service/agents.hpp"
#include "core/service/issuance.hpp"

namespace certctl::api {

/// Runs an accepted CSR at once; `done` comes on another thread when it has gone as far as it goes.
using RunNow = std::function<void(const service::Issuance::Accepted& accepted, std::function<void()> done)>;

/// Hands waiting polls their work: one subscription to the topic `jobs`, any number of agents.
class WorkPolls {
 public:
  explicit WorkPolls(db::WakeUps& wake_ups);
  ~WorkPolls();
  /// Calls `look` on a thread of the listener when the agent may have work, until `forget(ticket)`.
  std::uint64_t wait(const std::string& agent_id, std::function<void()> look);
  void forget(std::uint64_t ticket);

 private:
  struct State;
  std::shared_ptr<State> state_;
  db::Subscription subscription_;
};

struct AgentRoutes {
  service::Agents& agents;
  service::AgentWork& work;
  service::Issuance& issuance;
  WorkPolls& polls;
  RunNow run_now;
  std::function<void(std::function<void()>)> post;  ///< work for another thread: answers of parked polls
  std::chrono::seconds heartbeat_interval{60};
  std::chrono::seconds poll_interval{30};
};

/// Everything that agents call, and what operators ask about them. `routes` outlives the router.
void add_agent_routes(http::Router& router, AgentRoutes& routes);

}  // namespace certctl::api
