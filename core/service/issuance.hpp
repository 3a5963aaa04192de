#pragma once

#include <functional>
#include <optional>
#include <string>

#include "core/crypto/certificate_request.hpp"
#include "core/crypto/sealer.hpp"
#include "core/domain/agent.hpp"
#include "core/domain/certificate.hpp"
#include "core/domain/intent.hpp"
#include "core/domain/issuer.hpp"
#include "core/domain/job.hpp"
#include "core/domain/profile.hpp"
#include "core/plugin/call.hpp"
#include "core/plugin/outcome.hpp"
#include "core/service/issuer_registry.hpp"
#include "core/service/job_queue.hpp"
#include "core/service/notifications.hpp"
#include "core/service/own_cas.hpp"

namespace certctl::service {

struct IssuanceSettings {
  std::string instance_id;                           ///< owner of leases
  Duration job_lease = std::chrono::seconds(60);
  Duration call_timeout = std::chrono::minutes(2);
  Duration order_max_age = std::chrono::hours(168);
  int jitter_percent = 10;
  KeyGeneration keys = KeyGeneration::agent;
};

/// From a CSR to a recorded version, under the ledger of lifecycle §7.3: no certificate lost, none doubled.
///
/// accept_csr() makes the intent; run() takes a job that the caller has leased as far as it goes: to the version, to a
/// parked order, to a failure. Whoever takes the job up after a crash calls run() again: it goes on from what is durable.
class Issuance {
 public:
  Issuance(Ground ground, IssuerRegistry& issuers, OwnCas& cas, const crypto::Sealer& sealer, const JobQueue& queue,
           Notifications& notifications, IssuanceSettings settings);

  struct CsrRequest {
    std::string certificate_id;
    std::string job_id;  ///< empty: whichever waits
    std::string csr_pem;
  };
  struct OwnSigning;  // what the core allocates for a CA of ours: serial, dates, CA

  /// `job`: leased to this instance, to be run with what was allocated for it; without one the certificate was issued
  /// before for this very CSR, or its CA is not done.
  struct Accepted {
    std::optional<domain::Job> job;
    std::shared_ptr<const OwnSigning> signing;
    bool signed_before = false;
  };
  /// Checks the request; a refused one fails the job with the reason and throws Error(invalid). 404 certificate, 409 no
  /// CSR was asked for.
  Accepted accept_csr(const Context& context, const domain::Agent& agent, const CsrRequest& request);

  /// The process ends: calls of connectors that still run are told to stop.
  void cancel_calls() { cancellation_->cancel(); }

  /// Whether the certificate has a version with the key of this CSR.
  bool is_recorded(const std::string& certificate_id, const std::string& csr_pem);

  /// Never throws: what goes wrong is the job's.
  void run(const domain::Job& job, std::shared_ptr<const OwnSigning> signing = nullptr) noexcept;

 private:
  struct Material;  // everything a step needs about the job's certificate

  Material load(const domain::Job& job);
  void prepare_with_server_key(const domain::Job& job, Material& material);
  std::shared_ptr<const OwnSigning> allocate(const Material& material);
  void insert_pending(db::Transaction& tx, const Material& material, const domain::Intent& intent, const OwnSigning& signing);
  void refuse_csr(const Context& context, const domain::Job& job, const domain::Agent& agent, const std::string& reason);

  void step(const domain::Job& job, std::shared_ptr<const OwnSigning> signing);
  void submit(const domain::Job& job, Material& material, domain::Intent& intent, std::shared_ptr<const OwnSigning> signing);
  void look_up(const domain::Job& job, Material& material, domain::Intent& intent);
  void poll(const domain::Job& job, Material& material, domain::Intent& intent);
  void settle(const domain::Job& job, Material& material, domain::Intent& intent, plugin::Outcome outcome, const std::shared_ptr<const OwnSigning>& signing);
  plugin::Call make_call(const domain::Job& job, const Material& material, const domain::Intent& intent, const std::shared_ptr<const OwnSigning>& signing);

  void finish(const domain::Job& job, const Material& material, const domain::Intent& intent, const std::vector<crypto::Certificate>& certificates,
              const plugin::Fields& answer, const std::shared_ptr<const OwnSigning>& signing);
  void record(const domain::Job& job, const Material& material, const domain::Intent& intent, const crypto::Chain& chain,
              const plugin::Fields& answer, const std::shared_ptr<const OwnSigning>& signing);
  void reject(const domain::Job& job, const Material& material, const domain::Intent& intent, const std::vector<crypto::Certificate>& certificates,
              const std::string& reason);

  void fail(const domain::Job& job, const Material& material, const domain::Intent& intent, const plugin::Outcome& outcome);
  void write_failure(const domain::Job& job, const Material& material, const std::string& intent_id, domain::IntentState intent_state,
                     const std::string& kind, const std::string& error, bool retryable, Duration least_pause);

  Ground ground_;
  IssuerRegistry& issuers_;
  OwnCas& cas_;
  const crypto::Sealer& sealer_;
  const JobQueue& queue_;
  Notifications& notifications_;
  const IssuanceSettings settings_;
  const std::shared_ptr<plugin::Cancellation> cancellation_ = std::make_shared<plugin::Cancellation>();
};

}  // namespace certctl::service
