#include "core/service/renewal_policies.hpp"

#include "core/service/resources_test_support.hpp"

using namespace certctl;
using namespace certctl::service;
using namespace certctl::service::testing;

TEST_CASE("A renewal policy that says nothing but its name gets the defaults and an id from it") {
  Desk desk;
  const auto policy = RenewalPolicies(desk.ground(), plugins()).create(desk.context, body(R"({"name": "  Web Servers (EU) "})"));
  CHECK(policy.id == "rp-web-servers-eu");
  CHECK(policy.renewal_window_days == 30);
  CHECK(policy.auto_renew);
  CHECK(policy.max_retries == 3);
  CHECK(policy.retry_interval_seconds == 3600);
  CHECK(policy.alert_thresholds_days == std::vector<std::int32_t>{30, 14, 7, 0});
  CHECK(desk.events("renewal_policy_created") == 1);
}

TEST_CASE("Slugs keep letters, digits and hyphens only") {
  CHECK(policy_slug("A_b c!") == "ab-c");
  CHECK(policy_slug(" -x- ") == "x");
  CHECK(policy_slug("日本") == "policy");
  CHECK(policy_slug(std::string(80, 'a')) == std::string(64, 'a'));
}

TEST_CASE("A policy whose slug another name has taken gets the next number") {
  Desk desk;
  RenewalPolicies policies(desk.ground(), plugins());
  CHECK(policies.create(desk.context, body(R"({"name": "web"})")).id == "rp-web");
  CHECK(policies.create(desk.context, body(R"({"name": "Web"})")).id == "rp-web-2");
  CHECK(policies.create(desk.context, body(R"({"name": "we.b"})")).id == "rp-web-3");
  const Error error = refusal([&] { policies.create(desk.context, body(R"({"name": "web"})")); });
  CHECK(error.kind() == ErrorKind::conflict);
  CHECK(std::string(error.what()) == "A renewal policy with that name already exists");
}

TEST_CASE("Falsehood and nought of a renewal policy are stored where they mean something") {
  Desk desk;
  RenewalPolicies policies(desk.ground(), plugins());
  const auto policy = policies.create(desk.context, body(R"({"name": "manual", "auto_renew": false, "max_retries": 0, "renewal_window_days": 0,
                                                             "retry_interval_seconds": 0, "alert_thresholds_days": []})"));
  CHECK_FALSE(policy.auto_renew);
  CHECK(policy.max_retries == 0);
  CHECK(policy.renewal_window_days == 30);
  CHECK(policy.retry_interval_seconds == 3600);
  CHECK(policy.alert_thresholds_days.size() == 4);
  CHECK(policies.update(desk.context, policy.id, body(R"({"renewal_window_days": 10})")).max_retries == 0);
}

TEST_CASE("A renewal policy's value out of bounds is refused by name and nothing is stored") {
  Desk desk;
  RenewalPolicies policies(desk.ground(), plugins());
  const auto [text, message] = GENERATE(table<std::string, std::string>({
      {R"({})", "name is required"},
      {R"({"name": "p", "renewal_window_days": -1})", "renewal_window_days must be between 1 and 365, got -1"},
      {R"({"name": "p", "renewal_window_days": 366})", "renewal_window_days must be between 1 and 365, got 366"},
      {R"({"name": "p", "max_retries": 11})", "max_retries must be between 0 and 10, got 11"},
      {R"({"name": "p", "retry_interval_seconds": 59})", "retry_interval_seconds must be between 60 and 86400, got 59"},
      {R"({"name": "p", "alert_thresholds_days": [30, 400]})", "alert_thresholds_days[1]=400 must be between 0 and 365"},
      {R"({"name": "p", "alert_channels": {"sever": ["Email"]}})", "unknown severity tier \"sever\""},
      {R"({"name": "p", "alert_channels": {"warning": ["Pigeon"]}})", "unknown channel \"Pigeon\""},
      {R"({"name": "p", "alert_channels": {"warning": "Email"}})", "Invalid request body"},
      {R"({"name": "p", "alert_severity_map": {"x": "warning"}})", "Invalid request body"},
      {R"({"name": "p", "alert_severity_map": {"30": "sever"}})", "unknown severity tier \"sever\""},
      {R"({"name": "p", "alert_channels": []})", "Invalid request body: alert_channels must be an object, not array"},
      {R"({"name": "p", "certificate_profile_id": "prof-none"})", "referenced profile does not exist: prof-none"},
      {R"({"name": "p", "jitter_percent": 51})", "jitter_percent must be between 0 and 50, got 51"},
  }));
  CAPTURE(text);
  const Error error = refusal([&] { policies.create(desk.context, body(text)); });
  CHECK(error.kind() == ErrorKind::invalid);
  CHECK(contains(error.what(), message));
  CHECK(desk.number("SELECT count(*) FROM renewal_policies") == 1);  // the baseline's
}

TEST_CASE("A name that is too long is refused with its length") {
  Desk desk;
  RenewalPolicies policies(desk.ground(), plugins());
  const auto text = body("{\"name\": \"" + std::string(300, 'n') + "\"}");
  CHECK(std::string(refusal([&] { policies.create(desk.context, text); }).what()) == "name must be 255 characters or fewer, got 300");
}

TEST_CASE("Channels and severities of a renewal policy come back as they were given") {
  Desk desk;
  const auto policy = RenewalPolicies(desk.ground(), plugins())
                          .create(desk.context, body(R"({"name": "p", "alert_channels": {"critical": ["PagerDuty", "Email"]},
                                                         "alert_severity_map": {"7": "critical"}, "renewal_window_percent": 40,
                                                         "renewal_window_strict": true, "jitter_percent": 0})"));
  CHECK(json::texts(json::parse(policy.alert_channels.text), "critical") == std::vector<std::string>{"PagerDuty", "Email"});
  CHECK(json::text_or(json::parse(policy.alert_severity_map.text), "7") == "critical");
  CHECK(policy.renewal_window_percent == 40);
  CHECK(policy.renewal_window_strict);
  CHECK(policy.jitter_percent == 0);
}

TEST_CASE("Another renewal window moves the renewals of the policy's certificates, but not those with a time of their own") {
  Desk desk;
  RenewalPolicies policies(desk.ground(), plugins());
  policies.create(desk.context, body(R"({"id": "rp-mine", "name": "mine", "jitter_percent": 0})"));
  for (const std::string id : {"mc-1", "mc-2"}) {
    desk.add_certificate(id, "renewal_policy_id, status", "'rp-mine', 'Active'");
    desk.database->run(R"(INSERT INTO certificate_versions (id, certificate_id, serial_number, not_before, not_after, fingerprint_sha256, pem_chain, csr_pem)
                          VALUES ($1, $2, '7f', '2030-01-01 00:00Z', '2030-04-01 00:00Z', md5($1::text), '', ''))", "cv-" + id, id);
    desk.database->run("UPDATE managed_certificates SET current_version_id = $2, renew_after = '2030-03-02 00:00Z', renewal_source = $3 WHERE id = $1",
                       id, "cv-" + id, id == "mc-1" ? "policy" : "manual");
  }
  policies.update(desk.context, "rp-mine", body(R"({"renewal_window_days": 10})"));
  CHECK(desk.number("SELECT count(*) FROM managed_certificates WHERE id = 'mc-1' AND renew_after = '2030-03-22 00:00Z'") == 1);
  CHECK(desk.number("SELECT count(*) FROM managed_certificates WHERE id = 'mc-2' AND renew_after = '2030-03-02 00:00Z'") == 1);
}

TEST_CASE("A renewal policy that certificates use cannot be deleted") {
  Desk desk;
  RenewalPolicies policies(desk.ground(), plugins());
  policies.create(desk.context, body(R"({"id": "rp-mine", "name": "mine"})"));
  desk.add_certificate("mc-1", "renewal_policy_id", "'rp-mine'");
  const Error error = refusal([&] { policies.remove(desk.context, "rp-mine"); });
  CHECK(error.kind() == ErrorKind::conflict);
  CHECK(std::string(error.what()) == "Renewal policy is still referenced by managed certificates");
  desk.database->run("DELETE FROM managed_certificates");
  policies.remove(desk.context, "rp-mine");
  CHECK(std::string(refusal([&] { policies.remove(desk.context, "rp-mine"); }).what()) == "Renewal policy not found");
}
