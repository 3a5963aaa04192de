#pragma once

#include "core/domain/described.hpp"
#include "core/domain/enums.hpp"

namespace certctl::domain {

/// When and how to renew and warn (lifecycle §6, §14).
struct RenewalPolicy {
  std::string id;
  std::string name;
  std::int32_t renewal_window_days = 30;
  bool auto_renew = true;
  std::int32_t max_retries = 3;
  std::int32_t retry_interval_seconds = 3600;
  std::vector<std::int32_t> alert_thresholds_days{30, 14, 7, 0};
  OptionalText certificate_profile_id;
  json::Raw alert_channels;      ///< `{tier: [channel…]}`
  json::Raw alert_severity_map;  ///< `{"<days>": tier}`
  std::optional<std::int32_t> renewal_window_percent;
  bool renewal_window_strict = false;
  std::optional<std::int32_t> jitter_percent;
  Time created_at{};
  Time updated_at{};
  Hidden<std::int64_t> row_version{1};
};
BOOST_DESCRIBE_STRUCT(RenewalPolicy, (),
                      (id, name, renewal_window_days, auto_renew, max_retries, retry_interval_seconds, alert_thresholds_days,
                       certificate_profile_id, alert_channels, alert_severity_map, renewal_window_percent,
                       renewal_window_strict, jitter_percent, created_at, updated_at, row_version))

}  // namespace certctl::domain
