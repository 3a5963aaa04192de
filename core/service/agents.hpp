#pragma once

#include <string>
#include <vector>

#include "core/base/error.hpp"
#include "core/base/json.hpp"
#include "core/domain/agent.hpp"
#include "core/service/mutation.hpp"
#include "core/store/agents.hpp"

namespace certctl::service {

struct AgentSettings {
  Duration offline_after = std::chrono::minutes(3);  ///< silence after which an agent is `Offline`
  Duration work_lease = std::chrono::minutes(5);     ///< of jobs handed to agents, renewed by heartbeats
};

/// The fleet: registration, heartbeats, keys, retirement (agent sheet §§3, 4, 10).
class Agents {
 public:
  Agents(Ground ground, AgentSettings settings) : ground_(ground), settings_(settings) {}

  struct Registered {
    domain::Agent agent;
    std::string api_key;  ///< shown this once; only its hash is kept
  };
  Registered enroll(const Context& context, const json::Value& body);
  domain::Agent get(const std::string& id);  ///< 404 `Agent not found`; retired ones too
  /// As get(), but a retired agent is Error(gone).
  domain::Agent require_active(const std::string& id);
  store::Page<domain::Agent> list(const store::agents::Filter& filter, const store::PageRequest& page);

  /// An unparsable body counts as a heartbeat without metadata.
  void heartbeat(const std::string& id, const std::string& body);

  /// A second key that takes the first one's place when it is first used, at most 24 h later.
  std::string rotate_key(const Context& context, const std::string& id);

  struct Retirement {
    bool already = false;
    bool cascade = false;
    Time retired_at{};
    store::agents::Dependants counts;
  };
  /// Throws BlockedByDependencies without `force` while targets, certificates or jobs depend on it.
  Retirement retire(const Context& context, const std::string& id, bool force, const std::string& reason);

  /// Who leases work to this start of the agent.
  static std::string lease_owner(const domain::Agent& agent);

 private:
  Ground ground_;
  const AgentSettings settings_;
};

/// 409 with the counts of what depends on the agent.
class BlockedByDependencies : public Error {
 public:
  explicit BlockedByDependencies(store::agents::Dependants counts);
  const store::agents::Dependants& counts() const { return counts_; }

 private:
  store::agents::Dependants counts_;
};

/// Agents that are no machines: `server-scanner` and the cloud scanners.
bool is_reserved_agent(std::string_view id);

}  // namespace certctl::service
