#include "core/service/renewal_window.hpp"

#include <algorithm>
#include <cmath>

#include "core/crypto/hash.hpp"

namespace certctl::service {
namespace {

using namespace std::chrono_literals;

/// First 8 bytes of SHA-256(text) / 2^64, in [0, 1).
double unit_interval(const std::string& text) {
  const auto digest = crypto::sha256(text);
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | digest[std::size_t(i)];
  return double(value) / 18446744073709551616.0;
}

Duration scaled(Duration duration, double factor) { return Duration(std::int64_t(std::llround(double(duration.count()) * factor))); }

}  // namespace

RenewalWindow renewal_window(const domain::RenewalPolicy& policy, Time not_before, Time not_after, const std::string& certificate_id,
                             const std::string& version_id, int default_jitter_percent) {
  const Duration lifetime = std::max(not_after - not_before, Duration(0));
  const Duration days = std::chrono::hours(24) * (policy.renewal_window_days > 0 ? policy.renewal_window_days : 30);
  RenewalWindow out;
  out.source = "policy";
  if (policy.renewal_window_percent) {
    out.window = scaled(lifetime, *policy.renewal_window_percent / 100.0);
    out.source = "percent";
  } else if (policy.renewal_window_strict) {
    out.window = std::min(days, scaled(lifetime, 0.9));
  } else {
    out.window = std::min(days, lifetime >= 240h ? lifetime / 3 : lifetime / 2);
  }
  const double jitter = std::clamp(policy.jitter_percent.value_or(default_jitter_percent), 0, 50) / 100.0;
  const Duration spread = std::min<Duration>(scaled(out.window, jitter), 72h);
  out.renew_after = not_after - out.window + scaled(spread, unit_interval(certificate_id + ":" + version_id));
  return out;
}

Time next_try_after_giving_up(Time now, Time not_after) {
  return now + std::clamp<Duration>((not_after - now) / 8, 15min, 24h);
}

Duration retry_pause(std::int64_t interval_seconds, std::int64_t attempts, const std::string& job_id) {
  const double exponent = double(std::clamp<std::int64_t>(attempts - 1, 0, 20));
  const double seconds = std::min(double(std::max<std::int64_t>(interval_seconds, 1)) * std::pow(2.0, exponent), 6 * 3600.0);
  const double factor = 0.8 + 0.4 * unit_interval(job_id + ":" + std::to_string(attempts));
  return Duration(std::int64_t(seconds * factor * 1e6));
}

}  // namespace certctl::service
