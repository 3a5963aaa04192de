#include <catch2/catch.hpp>

#include "core/service/notification_test_support.hpp"

using namespace certctl;
using namespace certctl::service;
using namespace certctl::service::testing;

namespace {

domain::CertificateVersion version_of(const Office& office) {
  domain::CertificateVersion version;
  version.id = "cv-1";
  version.certificate_id = office.certificate.id;
  version.serial_number = "1f";
  version.not_after = Time{std::chrono::sys_days{std::chrono::year(2031) / 2 / 3}};
  return version;
}

domain::Job renewal_job() {
  domain::Job job;
  job.id = "job-1";
  job.type = domain::JobType::Renewal;
  job.attempts = 2;
  return job;
}

domain::Target web_target() {
  domain::Target target;
  target.id = "tgt-web";
  target.name = "web-1";
  return target;
}

std::vector<domain::Notification> all(Office& office) {
  return store::notifications::list(*office.database, {}, {1, 100}).rows;
}

domain::Notification only(Office& office, const std::string& channel = "Email") {
  const auto found = store::notifications::list(*office.database, {.channel = channel}, {1, 100}).rows;
  REQUIRE(found.size() == 1);
  return found.front();
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("A notification commits with the transaction that enqueues it") {
  Office office;
  auto notifications = office.notifications();
  office.database->transaction([&](db::Transaction& tx) { notifications.renewal_success(tx, office.certificate, version_of(office)); });
  CHECK(all(office).size() == 1);
  CHECK(office.number("SELECT count(*) FROM outbox WHERE topic = 'notify'") == 1);
}

TEST_CASE("A notification vanishes with the transaction that rolls back") {
  Office office;
  auto notifications = office.notifications();
  CHECK_THROWS(office.database->transaction([&](db::Transaction& tx) {
    notifications.renewal_success(tx, office.certificate, version_of(office));
    throw std::runtime_error("the change failed");
  }));
  CHECK(all(office).empty());
}

TEST_CASE("Telling the same renewal twice makes one message") {
  Office office;
  auto notifications = office.notifications();
  for (int i = 0; i < 2; ++i)
    office.database->transaction([&](db::Transaction& tx) { notifications.renewal_success(tx, office.certificate, version_of(office)); });
  CHECK(all(office).size() == 1);
}

TEST_CASE("A renewal's message names the new expiry and closes the incident") {
  Office office;
  auto notifications = office.notifications({.public_url = "https://certctl.example.com/"});
  office.database->transaction([&](db::Transaction& tx) { notifications.renewal_success(tx, office.certificate, version_of(office)); });
  const auto row = only(office);
  CHECK(row.type == "RenewalSuccess");
  CHECK(row.recipient == "ada@example.com");
  CHECK(contains(row.message, "New expiry: 2031-02-03"));
  CHECK(row.subject == "[informational] api.example.com was renewed and is valid until 2031-02-03");
  const auto payload = json::parse(row.payload->text);
  CHECK(json::text_or(payload, "action") == "resolve");
  CHECK(json::text_or(payload, "incident_key") == "renewal/mc-api");
  CHECK(json::text_or(payload, "link") == "https://certctl.example.com/certificates/mc-api");
  CHECK(json::text_or(payload, "serial") == "1f");
}

TEST_CASE("A failed renewal's message has the error in one line and is critical when no attempt is left") {
  Office office;
  auto notifications = office.notifications();
  office.database->transaction([&](db::Transaction& tx) {
    notifications.renewal_failure(tx, office.certificate, renewal_job(), "CA refused\nReason: forged", true);
  });
  const auto row = only(office);
  CHECK(contains(row.message, "\nError: CA refused Reason: forged\n"));
  CHECK(row.severity == "critical");
  CHECK(row.subject == "[critical] Renewal of api.example.com failed");
}

TEST_CASE("A failed renewal also goes where the policy sends the nearest threshold's tier") {
  Office office;
  auto notifications = office.notifications();
  office.database->run(R"(UPDATE renewal_policies SET alert_channels = '{"informational": ["Slack", "email"]}' WHERE id = 'rp-default')");
  office.database->transaction([&](db::Transaction& tx) {
    notifications.renewal_failure(tx, office.certificate, renewal_job(), "CA refused", false);  // 20 days left: threshold 30
  });
  CHECK(only(office, "Slack").severity == "warning");
  CHECK(all(office).size() == 2);
}

TEST_CASE("A failed deployment's message names target and error and is critical when the rollback failed too") {
  Office office;
  auto notifications = office.notifications();
  office.database->transaction([&](db::Transaction& tx) {
    notifications.deployment_failure(tx, office.certificate, web_target(), renewal_job(), "nginx -t failed", true);
  });
  const auto row = only(office);
  CHECK(row.type == "DeploymentFailure");
  CHECK(row.severity == "critical");
  CHECK(contains(row.message, "\"web-1\""));
  CHECK(contains(row.message, "\nError: nginx -t failed"));
  CHECK(json::text_or(json::parse(row.payload->text), "incident_key") == "deploy/tgt-web");
}

TEST_CASE("A revocation goes to Webhook and Email, even if no webhook is configured") {
  Office office;
  auto notifications = office.notifications();
  office.database->transaction([&](db::Transaction& tx) { notifications.revocation(tx, office.certificate, "1f", "keyCompromise"); });
  for (const auto* channel : {"Webhook", "Email"}) {
    const auto row = only(office, channel);
    CHECK(row.message.starts_with("[REVOKED]"));
    CHECK(contains(row.message, "\nReason: keyCompromise"));
    CHECK(row.severity == "critical");
  }
  CHECK(only(office, "Webhook").event_id == only(office, "Email").event_id);
}

TEST_CASE("A question that waits for a person is asked once a day") {
  Office office;
  auto notifications = office.notifications();
  for (int i = 0; i < 2; ++i)
    office.database->transaction([&](db::Transaction& tx) {
      notifications.needs_decision(tx, office.certificate, renewal_job(), "the CA does not know the order");
    });
  CHECK(only(office).type == "IssuanceNeedsDecision");
}

TEST_CASE("The configured webhook channel gets every event") {
  Office office;
  office.add_channel("Webhook");
  auto notifications = office.notifications();
  office.database->transaction([&](db::Transaction& tx) { notifications.renewal_success(tx, office.certificate, version_of(office)); });
  CHECK(*only(office, "Webhook").channel_id == "nc-env-webhook");
  CHECK(all(office).size() == 2);
}

TEST_CASE("Successes are told as the setting says") {
  Office office;
  const auto told = [&](NotifyOnSuccess on_success) {
    office.database->run("DELETE FROM notification_events");
    auto notifications = office.notifications({.on_success = on_success});
    office.database->transaction([&](db::Transaction& tx) {
      notifications.renewal_success(tx, office.certificate, version_of(office));
      notifications.deployment_success(tx, office.certificate, web_target(), renewal_job());
    });
    return all(office).size();
  };
  CHECK(told(NotifyOnSuccess::none) == 0);
  CHECK(told(NotifyOnSuccess::renewal) == 1);
  CHECK(told(NotifyOnSuccess::all) == 2);
}

TEST_CASE("Mail goes to the team when the owner has no address, then to the default, then nowhere") {
  Office office;
  office.database->run("UPDATE owners SET email = ''");
  const auto tell = [&](const NotificationSettings& settings) {
    office.database->run("DELETE FROM notification_events");
    auto notifications = office.notifications(settings);
    office.database->transaction([&](db::Transaction& tx) { notifications.renewal_success(tx, office.certificate, version_of(office)); });
    return all(office);
  };
  SECTION("nobody has an address") {
    const auto rows = tell({});
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].status.is(domain::NotificationStatus::dead));
    CHECK(rows[0].last_error == "no deliverable address for owner o-ada");
  }
  SECTION("the default address") {
    CHECK(tell({.default_owner_email = "pki@example.com"}).at(0).recipient == "pki@example.com");
  }
  SECTION("the team's others, one message each") {
    office.database->run(R"(INSERT INTO owners (id, name, email, team_id)
                            VALUES ('o-bob', 'Bob', 'bob@example.com', 't-web'), ('o-eve', 'Eve', 'eve@example.com', 't-web'))");
    const auto rows = tell({.default_owner_email = "pki@example.com"});
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].recipient != rows[1].recipient);
  }
}

TEST_CASE("Reading a sent message makes it read, an unsent one is only marked") {
  Office office;
  auto notifications = office.notifications();
  office.insert_foreign("notif-sent", "Email", "sent");
  office.insert_foreign("notif-new", "Email");
  office.insert_foreign("notif-dead", "Email", "dead");
  for (const auto* id : {"notif-sent", "notif-new", "notif-dead"}) {
    notifications.mark_read(system_context(), id);
    CHECK(office.row(id).read_at.has_value());
  }
  CHECK(office.status("notif-sent") == "read");
  CHECK(office.status("notif-new") == "pending");
  CHECK(office.status("notif-dead") == "dead");
  CHECK(office.number("SELECT count(*) FROM audit_events WHERE action = 'notification_read'") == 3);
}

TEST_CASE("Failed, dead and undelivered messages can be requeued, others cannot") {
  Office office;
  auto notifications = office.notifications();
  const auto requeue = [&](const char* id) { notifications.requeue(system_context(), id); };
  office.insert_foreign("notif-dead", "Email", "dead", 5);
  office.database->run("UPDATE notification_events SET last_error = 'refused' WHERE id = 'notif-dead'");
  requeue("notif-dead");
  CHECK(office.status("notif-dead") == "pending");
  CHECK(office.row("notif-dead").retry_count == 0);
  CHECK(office.row("notif-dead").last_error.empty());
  CHECK_THROWS_WITH(requeue("notif-dead"), "Notification is not dead");

  office.insert_foreign("notif-failed", "Email", "failed", 2);
  requeue("notif-failed");
  CHECK_FALSE(office.row("notif-failed").next_retry_at.has_value());

  office.insert_foreign("notif-sent", "Email", "sent");
  CHECK_THROWS_WITH(requeue("notif-sent"), "Notification is not dead");
  office.database->run("UPDATE notification_events SET delivered = false WHERE id = 'notif-sent'");
  CHECK_NOTHROW(requeue("notif-sent"));
  CHECK_THROWS_WITH(requeue("notif-unknown"), "Notification not found");
  CHECK(office.number("SELECT count(*) FROM audit_events WHERE action = 'notification_requeued'") == 3);
}

TEST_CASE("Notifications are listed by when they were sent, unsent ones last, and can be filtered") {
  Office office;
  auto notifications = office.notifications();
  for (const auto* id : {"n-1", "n-2", "n-3"}) office.insert_foreign(id, "Email");
  office.insert_foreign("n-4", "Webhook");
  office.database->run("UPDATE notification_events SET status = 'sent', sent_at = now() - interval '1 hour' WHERE id = 'n-2'");
  office.database->run("UPDATE notification_events SET status = 'sent', sent_at = now() WHERE id = 'n-3'");
  office.database->run("UPDATE notification_events SET created_at = now() + interval '1 minute', message = '50% of a_b' WHERE id = 'n-1'");
  const auto ids = [&](const store::notifications::Filter& filter) {
    std::string out;
    for (const auto& row : notifications.list(filter, {1, 50}).rows) out += row.id + ' ';
    return out;
  };
  CHECK(ids({}) == "n-3 n-2 n-1 n-4 ");
  CHECK(ids({.status = "sent"}) == "n-3 n-2 ");
  CHECK(ids({.status = "unheard-of"}).empty());
  CHECK(ids({.channel = "Webhook"}) == "n-4 ");
  CHECK(ids({.text = "0% OF A_"}) == "n-1 ");
  CHECK(notifications.list({}, {2, 3}).total == 4);
}
