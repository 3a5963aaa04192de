#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/domain/renewal_policy.hpp"

/// A policy's matrix: days left → threshold → tier (a severity) → channel types.
namespace certctl::service {

/// The smallest threshold that `days_left` has reached; the largest when none is.
std::int32_t nearest_threshold(const domain::RenewalPolicy& policy, std::int64_t days_left);
/// Without a map: 30 days informational, 14 and 7 warning, 0 critical. Any other threshold: informational.
std::string alert_tier(const domain::RenewalPolicy& policy, std::int32_t threshold);
/// Without a map: Email; a tier that a map lacks is muted.
std::vector<std::string> alert_channels(const domain::RenewalPolicy& policy, std::string_view tier);

}  // namespace certctl::service
