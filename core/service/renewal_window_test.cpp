#include <catch2/catch.hpp>

#include "core/service/renewal_window.hpp"

using namespace certctl;
using namespace certctl::service;
using namespace std::chrono_literals;

TEST_CASE("the renewal window follows the lifetime, not the calendar alone") {
  const domain::RenewalPolicy policy;
  const Time start = std::chrono::sys_days(std::chrono::year(2026) / 1 / 1);
  struct Case { Duration lifetime, latest, earliest; };  // time left when renewed: from latest to earliest
  const Case cases[] = {{398 * 24h, 30 * 24h, 27 * 24h}, {90 * 24h, 30 * 24h, 27 * 24h}, {160h, 80h, 72h}, {24h, 12h, 648min}, {30min, 15min, 13min + 30s}};
  for (const auto& c : cases) {
    for (const auto* version : {"certver-1", "certver-2", "certver-3"}) {
      const auto window = renewal_window(policy, start, start + c.lifetime, "cert-1", version, 10);
      const Duration left = start + c.lifetime - window.renew_after;
      CAPTURE(c.lifetime.count(), left.count());
      CHECK(left <= c.latest);
      CHECK(left >= c.earliest);
    }
  }
  const auto half_month = renewal_window(policy, start, start + 47 * 24h, "cert-1", "v", 0);
  CHECK(half_month.window == Duration(47 * 24h) / 3);
}

TEST_CASE("percent and strict windows overrule the share of the lifetime") {
  domain::RenewalPolicy policy;
  const Time start{};
  policy.renewal_window_percent = 20;
  CHECK(renewal_window(policy, start, start + 100h, "c", "v", 0).window == Duration(20h));
  policy.renewal_window_percent.reset();
  policy.renewal_window_strict = true;
  CHECK(renewal_window(policy, start, start + 100h, "c", "v", 0).window == Duration(90h));
}

TEST_CASE("the spread is the same for the same certificate and version and differs between versions") {
  const domain::RenewalPolicy policy;
  const Time start{};
  const auto first = renewal_window(policy, start, start + 90 * 24h, "cert-1", "certver-1", 10).renew_after;
  CHECK(first == renewal_window(policy, start, start + 90 * 24h, "cert-1", "certver-1", 10).renew_after);
  CHECK(first != renewal_window(policy, start, start + 90 * 24h, "cert-1", "certver-2", 10).renew_after);
}

TEST_CASE("a retry waits longer each time, at most six hours and a fifth") {
  for (int attempt = 1; attempt < 30; ++attempt) {
    const auto pause = retry_pause(60, attempt, "job-1");
    CHECK(pause >= Duration(48s));
    CHECK(pause <= Duration(6h) + Duration(72min));
  }
  CHECK(retry_pause(60, 5, "job-1") > retry_pause(60, 1, "job-1"));
}

TEST_CASE("a certificate whose renewal was given up is tried again before it dies") {
  const Time now{};
  CHECK(next_try_after_giving_up(now, now + 80h) == now + 10h);
  CHECK(next_try_after_giving_up(now, now + 10min) == now + 15min);
  CHECK(next_try_after_giving_up(now, now + 1000 * 24h) == now + 24h);
}
