#include <catch2/catch.hpp>

#include "core/service/alert_matrix.hpp"

using namespace certctl;
using namespace certctl::service;

TEST_CASE("The nearest threshold is the smallest one that was reached") {
  domain::RenewalPolicy policy;
  policy.alert_thresholds_days = {30, 14, 7, 0};
  CHECK(nearest_threshold(policy, 31) == 30);
  CHECK(nearest_threshold(policy, 30) == 30);
  CHECK(nearest_threshold(policy, 10) == 14);
  CHECK(nearest_threshold(policy, 0) == 0);
  CHECK(nearest_threshold(policy, -3) == 0);
}

TEST_CASE("A policy without a severity map has the usual tiers") {
  const domain::RenewalPolicy policy;
  CHECK(alert_tier(policy, 30) == "informational");
  CHECK(alert_tier(policy, 14) == "warning");
  CHECK(alert_tier(policy, 7) == "warning");
  CHECK(alert_tier(policy, 0) == "critical");
  CHECK(alert_tier(policy, 60) == "informational");
}

TEST_CASE("A severity map decides alone, and what it lacks is informational") {
  domain::RenewalPolicy policy;
  policy.alert_severity_map = json::raw(R"({"60": "warning", "30": "critical"})");
  CHECK(alert_tier(policy, 60) == "warning");
  CHECK(alert_tier(policy, 30) == "critical");
  CHECK(alert_tier(policy, 7) == "informational");
}

TEST_CASE("Without a channel map every tier goes to Email, with one a missing tier is muted") {
  domain::RenewalPolicy policy;
  CHECK(alert_channels(policy, "critical") == std::vector<std::string>{"Email"});
  policy.alert_channels = json::raw(R"({"critical": ["PagerDuty", "Email"], "warning": []})");
  CHECK(alert_channels(policy, "critical") == std::vector<std::string>{"PagerDuty", "Email"});
  CHECK(alert_channels(policy, "warning").empty());
  CHECK(alert_channels(policy, "informational").empty());
}
