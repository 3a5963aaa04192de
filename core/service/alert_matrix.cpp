#include "core/service/alert_matrix.hpp"

#include <algorithm>

#include "core/base/json.hpp"
#include "core/domain/enums.hpp"

namespace certctl::service {

std::int32_t nearest_threshold(const domain::RenewalPolicy& policy, std::int64_t days_left) {
  std::vector<std::int32_t> thresholds = policy.alert_thresholds_days;
  if (thresholds.empty()) return 0;
  std::sort(thresholds.begin(), thresholds.end());
  const auto reached = std::find_if(thresholds.begin(), thresholds.end(), [&](std::int32_t t) { return days_left <= t; });
  return reached == thresholds.end() ? thresholds.back() : *reached;
}

std::string alert_tier(const domain::RenewalPolicy& policy, std::int32_t threshold) {
  using domain::Severity;
  const auto map = json::parse(policy.alert_severity_map.text);
  const auto tier = [](Severity severity) { return std::string(domain::name_of(severity)); };
  if (!map.IsObject() || map.ObjectEmpty()) {
    if (threshold <= 0) return tier(Severity::critical);
    return tier(threshold == 7 || threshold == 14 ? Severity::warning : Severity::informational);
  }
  return json::text_or(map, std::to_string(threshold), domain::name_of(Severity::informational));
}

std::vector<std::string> alert_channels(const domain::RenewalPolicy& policy, std::string_view tier) {
  const auto map = json::parse(policy.alert_channels.text);
  if (!map.IsObject() || map.ObjectEmpty()) return {"Email"};
  return json::texts(map, tier);
}

}  // namespace certctl::service
