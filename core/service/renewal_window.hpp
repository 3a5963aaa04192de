#pragma once

#include <string>

#include "core/base/clock.hpp"
#include "core/domain/renewal_policy.hpp"

namespace certctl::service {

/// When a version becomes due (lifecycle §6.1, §6.3):
///
///     D  = renewal_window_days,  L = lifetime,  k = 1/3 if L ≥ 10 d, else 1/2
///     W  = min(D, k·L);  p/100·L with renewal_window_percent;  min(D, 0.9·L) with renewal_window_strict
///     renew_after = not_after − W + u·J,  J = W·jitter/100, at most 72 h
///
/// `u` is drawn from the certificate's and the version's id, so replicas, restarts and simulations agree.
struct RenewalWindow {
  Duration window{};
  Time renew_after{};
  std::string source;  ///< `policy`, `percent`
};

RenewalWindow renewal_window(const domain::RenewalPolicy& policy, Time not_before, Time not_after, const std::string& certificate_id,
                             const std::string& version_id, int default_jitter_percent);

/// When a certificate whose renewal was given up gets its next try: an eighth of the time left, 15 min to 24 h.
Time next_try_after_giving_up(Time now, Time not_after);

/// Pause before attempt `attempts` + 1 of a job: interval · 2^(attempts−1), at most 6 h, ± 20 % drawn from the id.
Duration retry_pause(std::int64_t interval_seconds, std::int64_t attempts, const std::string& job_id);

}  // namespace certctl::service
