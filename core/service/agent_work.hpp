#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/domain/agent.hpp"
#include "core/domain/job.hpp"
#include "core/service/agents.hpp"
#include "core/service/notifications.hpp"
#include "core/service/targets.hpp"

namespace certctl::service {

/// What agents get, fetch and report (agent sheet §§5–8).
class AgentWork {
 public:
  AgentWork(Ground ground, Agents& agents, Targets& targets, Notifications& notifications, const crypto::Sealer& sealer, AgentSettings settings)
      : ground_(ground), agents_(agents), targets_(targets), notifications_(notifications), sealer_(sealer), settings_(settings) {}

  struct Item {
    domain::Job job;
    std::string common_name;
    std::vector<std::string> sans;
    std::string target_type, target_name;
    json::Raw target_config;
    std::string key_algorithm;
    bool must_staple = false;
    std::string expected_fingerprint;
  };
  /// Deployments first, then CSR jobs, each leased to this start of the agent.
  std::vector<Item> claim(const Context& context, const domain::Agent& agent);

  struct Material {
    std::string certificate_pem, fingerprint, serial, version_id;
    Secret private_key;  ///< server key generation, handed out once
  };
  /// The newest version made from this agent's key, else the newest. Only of certificates that have a target or CSR of it.
  Material fetch(const Context& context, const domain::Agent& agent, const std::string& certificate_id);

  /// 404 not this agent's job, 409 it ended otherwise.
  void report(const Context& context, const domain::Agent& agent, const std::string& job_id, const json::Value& body);

  struct Verification {
    std::string job_id, target_id, expected, actual, error;
    bool verified = false;
    std::optional<Time> verified_at;
  };
  Verification verify(const Context& context, const std::string& job_id, const json::Value& body);
  Verification verification(const std::string& job_id);

 private:
  struct Report;
  std::vector<Item> items_for(const std::vector<domain::Job>& jobs, const Context& context, const domain::Agent& agent);
  void fail_without_target(const domain::Job& job);
  void end_deployment(db::Transaction& tx, const domain::Job& job, const Report& report, bool exhausted);

  Ground ground_;
  Agents& agents_;
  Targets& targets_;
  Notifications& notifications_;
  const crypto::Sealer& sealer_;
  const AgentSettings settings_;
};

}  // namespace certctl::service
