#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/domain/job.hpp"
#include "core/service/mutation.hpp"

namespace certctl::service {

enum class KeyGeneration { agent, server };

/// Puts work into `jobs`: inside the caller's transaction, a fixed number of statements however many certificates.
class JobQueue {
 public:
  JobQueue(const Clock& clock, KeyGeneration keys) : clock_(clock), keys_(keys) {}

  struct Issuance {
    std::string certificate_id;
    std::string issuer_id;
    domain::JobType type = domain::JobType::Renewal;
    std::string trigger;       ///< `api`, `create`, `policy`, `expired`, …
    std::string requested_by;  ///< actor
    int priority = 50;
    int max_attempts = 3;
  };
  struct Queued {
    std::string certificate_id;
    std::string job_id;      ///< the one to follow: the parent where several agents make keys
    domain::JobStatus status = domain::JobStatus::Pending;
    bool no_agent = false;   ///< nobody can make the key now
  };
  /// One job a certificate; with several agents a parent and one CSR job an agent. Certificates with an open issuance
  /// are left out of the answer.
  std::vector<Queued> issue(db::Transaction& tx, std::span<const Issuance> wanted) const;

  struct Deployment {
    std::string certificate_id;
    std::string version_id;
    std::string requested_by;
    std::string agent_id;   ///< only this agent's targets; empty: all
    std::string target_id;  ///< only this target; empty: all mapped ones
    int priority = 50;
  };
  /// One job for each live, enabled target. Waiting deployments of older versions to them are cancelled.
  std::vector<domain::Job> deploy(db::Transaction& tx, const Deployment& wanted) const;

 private:
  const Clock& clock_;
  const KeyGeneration keys_;
};

}  // namespace certctl::service
