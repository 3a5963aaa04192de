#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "agent/deployed.hpp"
#include "agent/job_board.hpp"
#include "agent/key_store.hpp"
#include "agent/session.hpp"
#include "core/crypto/certificate.hpp"
#include "core/plugin/host.hpp"

namespace certctl::agent {

/// A certificate on its way to a target: fetched, paired with its key, handed to the target's plugin (agent.md §7).
class DeploymentJobs {
 public:
  struct Options {
    DeployDefaults defaults;
    std::filesystem::path state_dir;  ///< for the plugins' journals and locks, and for rollback tokens
    std::shared_ptr<plugin::Host> plugins;
    std::shared_ptr<plugin::Services> services;
  };

  DeploymentJobs(Session& session, KeyStore& keys, DeployedCertificates& deployed, Options options);

  Step run(Job& job);

 private:
  struct Material {
    crypto::Chain chain;
    crypto::PrivateKey key;
  };
  /// Either the material, or how the job goes on without it.
  struct Fetched {
    std::optional<Material> material;
    Step otherwise;
  };
  Fetched fetch(Job& job);
  Fetched pair(const Job& job, const Answer& answer);
  std::shared_ptr<plugin::Instance> instance(const WorkItem& item) const;
  Step deploy(Job& job, const Material& material, plugin::Instance& instance);
  plugin::Call call(const Job& job, const Material& material) const;
  Step conclude(const Job& job, const Material& material, const plugin::Outcome& outcome);
  std::filesystem::path token_path(const Job& job) const;

  Session& session_;
  KeyStore& keys_;
  DeployedCertificates& deployed_;
  const Options options_;
};

/// The numbers of an outcome as the control plane wants them.
DeploymentReport deployment_report(const plugin::Outcome& outcome, const std::string& fingerprint);

}  // namespace certctl::agent
