#pragma once

#include "core/service/notifications.hpp"
#include "core/service/renewal_scan.hpp"
#include "core/store/jobs.hpp"

namespace certctl::service {

struct UpkeepSettings {
  Duration awaiting_csr_timeout = std::chrono::hours(24);
  Duration agent_silence = std::chrono::minutes(5);  ///< after which running jobs of agents without leases fail
  Duration agent_offline = std::chrono::minutes(3);
};

/// What nobody works on any more is ended or put back; what is due is queued again (lifecycle §§4.4, 4.5). Each function
/// is one set-based transaction with its audit events.
class Upkeep {
 public:
  Upkeep(Ground ground, Notifications& notifications, UpkeepSettings settings) : ground_(ground), notifications_(notifications), settings_(settings) {}

  void retry_failed_jobs(const Guard& guard);
  void promote_waiting_jobs(const Guard& guard);
  void assign_waiting_csr_jobs(const Guard& guard);
  void reap_leases(const Guard& guard);
  void reap_awaiting_csr(const Guard& guard);
  void reap_offline_agents(const Guard& guard);
  void mark_silent_agents(const Guard& guard);
  void sweep_ledger(const Guard& guard);

 private:
  void note(db::Transaction& tx, const std::vector<store::jobs::Swept>& swept, const char* action, const char* reason, Duration age);

  Ground ground_;
  Notifications& notifications_;
  const UpkeepSettings settings_;
};

}  // namespace certctl::service
