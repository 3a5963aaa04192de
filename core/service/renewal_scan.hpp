#pragma once

#include <functional>
#include <optional>

#include "core/service/job_queue.hpp"

namespace certctl::service {

/// First statement of each transaction of a loop: proves that the loop is still this instance's.
using Guard = std::function<void(db::Transaction&)>;

/// Finds what is due and queues it: a fixed number of statements a slice, however many certificates there are.
class RenewalScan {
 public:
  RenewalScan(Ground ground, const JobQueue& queue, bool renew_expired) : ground_(ground), queue_(queue), renew_expired_(renew_expired) {}

  struct Result {
    std::int64_t queued = 0;
    std::optional<Time> next_due;  ///< of the certificates that are not due yet
  };
  Result run(const Guard& guard);

  /// `Active` → `Expiring` → `Expired` by date. Returns how many changed.
  std::int64_t update_statuses(const Guard& guard);

 private:
  std::int64_t slice(const Guard& guard);

  Ground ground_;
  const JobQueue& queue_;
  const bool renew_expired_;
};

}  // namespace certctl::service
