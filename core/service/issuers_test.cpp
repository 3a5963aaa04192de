#include "core/service/issuers.hpp"

#include "core/service/resources_test_support.hpp"
#include "core/store/issuers.hpp"

using namespace certctl;
using namespace certctl::service;
using namespace certctl::service::testing;

namespace {

struct IssuerDesk : Desk {
  IssuerRegistry registry{*database, plugins(), sealer, nullptr};
  OwnCas cas{ground(), sealer, "/nonexistent"};
  Issuers issuers{ground(), registry, cas};

  IssuerView add(std::string_view config, const std::string& id = "iss-1") {
    return issuers.create(context, body(R"({"id": ")" + id + R"(", "name": ")" + id + R"(", "type": "Probe", "config": )" + std::string(config) + "}"));
  }
  json::Document full(const std::string& id = "iss-1") { return json::parse(registry.full_config(*store::issuers::find(*database, id)).text); }
};

}  // namespace

TEST_CASE("An issuer is stored enabled under its canonical type, whatever was sent") {
  IssuerDesk desk;
  const auto issuer = desk.issuers.create(desk.context, body(R"({"name": "CA", "type": "PROBE_CA", "enabled": false, "source": "env",
                                                                "test_status": "success", "config": {"behaviour": "done"}})"));
  CHECK(issuer.id.starts_with("issuer-"));
  CHECK(issuer.type == "Probe");
  CHECK(issuer.enabled);
  CHECK(issuer.source == "database");
  CHECK(issuer.test_status == "untested");
  CHECK(issuer.hierarchy_mode == "single");
  CHECK(desk.events("create_issuer") == 1);
  CHECK(desk.events("api_post") == 1);
  CHECK(desk.number("SELECT count(*) FROM issuer_runtime WHERE lane = '" + issuer.id + "'") == 1);
}

TEST_CASE("An issuer with a wrong field is refused and leaves nothing behind") {
  IssuerDesk desk;
  const auto [text, message] = GENERATE(table<std::string, std::string>({
      {R"({"type": "Probe"})", "name is required"},
      {R"({"name": "CA"})", "type is required"},
      {R"({"name": "CA", "type": "NoSuchCA"})", "unsupported issuer type: NoSuchCA"},
      {R"({"name": "CA", "type": "Probe", "config": []})", "Invalid request body: config must be an object, not array"},
      {R"({"name": "CA", "type": "Probe", "config": {"port": "many"}})", "invalid config: config/port: must be an integer"},
      {R"({"name": "CA", "type": "Probe", "config": {"port": 70000}})", "invalid config: config/port: must be at most 65535"},
      {R"({"name": "CA", "type": "Probe", "config": {"token": "********"}})", "invalid config: config/token"},
      {R"({"name": "CA", "type": "Probe", "hierarchy_mode": "ring"})", "hierarchy_mode must be one of: single, tree"},
  }));
  CAPTURE(text);
  const Error error = refusal([&] { desk.issuers.create(desk.context, body(text)); });
  CHECK(error.kind() == ErrorKind::invalid);
  CHECK(contains(error.what(), message));
  CHECK(desk.number("SELECT count(*) FROM issuers") == 0);
  CHECK(desk.events("create_issuer") == 0);
}

TEST_CASE("An issuer's secrets are masked in every answer and in clear nowhere in the database") {
  IssuerDesk desk;
  const auto issuer = desk.add(R"({"behaviour": "done", "token": "s3cr3t-token", "headers": {"X-Key": "s3cr3t-header"}})");
  const auto shown = json::parse(issuer.config.text);
  CHECK(json::text_or(shown, "token") == "********");
  CHECK(json::text_of(*json::at(shown, "/headers/X-Key")) == "********");
  CHECK(json::text_or(shown, "behaviour") == "done");
  CHECK_FALSE(contains(domain::to_json(issuer), "s3cr3t"));
  CHECK_FALSE(contains(domain::to_json(desk.issuers.list({1, 50}).rows.at(0)), "s3cr3t"));
  CHECK(desk.number("SELECT count(*) FROM issuers WHERE config::text LIKE '%s3cr3t%' OR encrypted_config IS NULL") == 0);
  CHECK(desk.number("SELECT count(*) FROM audit_events WHERE details::text LIKE '%s3cr3t%'") == 0);
  CHECK(json::text_or(desk.full(), "token") == "s3cr3t-token");
}

TEST_CASE("A masked value that comes back keeps the stored one, a new one replaces it") {
  IssuerDesk desk;
  desk.add(R"({"behaviour": "done", "token": "first", "headers": {"X-Key": "header"}})");
  desk.issuers.update(desk.context, "iss-1", body(R"({"config": {"behaviour": "done", "token": "********", "headers": {"X-Key": "********"}, "port": 8443}})"));
  CHECK(json::text_or(desk.full(), "token") == "first");
  CHECK(json::text_of(*json::at(desk.full(), "/headers/X-Key")) == "header");
  CHECK(json::integer_or(desk.full(), "port", 0) == 8443);
  desk.issuers.update(desk.context, "iss-1", body(R"({"config": {"behaviour": "done", "token": "second"}})"));
  CHECK(json::text_or(desk.full(), "token") == "second");
}

TEST_CASE("A masked value with nothing behind it is refused by name") {
  IssuerDesk desk;
  desk.add(R"({"behaviour": "done"})");
  const Error error = refusal([&] { desk.issuers.update(desk.context, "iss-1", body(R"({"config": {"behaviour": "done", "token": "********"}})")); });
  CHECK(error.kind() == ErrorKind::invalid);
  REQUIRE(!error.fields().empty());
  CHECK(error.fields().front().field == "/config/token");
}

TEST_CASE("An update of an issuer without config leaves its settings and its test result alone") {
  IssuerDesk desk;
  desk.add(R"({"behaviour": "done", "token": "kept"})");
  store::issuers::set_test_result(*desk.database, "iss-1", domain::TestStatus::success, desk.clock.now());
  const auto issuer = desk.issuers.update(desk.context, "iss-1", body(R"({"name": "Renamed", "enabled": false})"));
  CHECK(issuer.name == "Renamed");
  CHECK_FALSE(issuer.enabled);
  CHECK(issuer.test_status == "success");
  CHECK(json::text_or(desk.full(), "token") == "kept");
  const auto details = desk.text("SELECT details FROM audit_events WHERE action = 'update_issuer'");
  CHECK(contains(details, "name"));
  CHECK_FALSE(contains(details, "config."));
}

TEST_CASE("Changed settings of an issuer make it untested and are audited by name, never by value") {
  IssuerDesk desk;
  desk.add(R"({"behaviour": "done", "token": "old-value"})");
  store::issuers::set_test_result(*desk.database, "iss-1", domain::TestStatus::success, desk.clock.now());
  CHECK(desk.issuers.update(desk.context, "iss-1", body(R"({"config": {"behaviour": "done", "token": "new-value"}})")).test_status == "untested");
  const auto details = desk.text("SELECT details FROM audit_events WHERE action = 'update_issuer'");
  CHECK(contains(details, "config.token"));
  CHECK_FALSE(contains(details, "value"));
}

TEST_CASE("Missing and unknown settings of an issuer are stored and told") {
  IssuerDesk desk;
  const auto issuer = desk.add(R"({"colour": "red", "timeout_seconds": 10})");
  REQUIRE(issuer.config_warnings);
  REQUIRE(issuer.config_warnings->size() == 2);
  CHECK(issuer.config_warnings->at(0).field == "/behaviour");
  CHECK(issuer.config_warnings->at(1).field == "/colour");
  CHECK(contains(domain::to_json(issuer), R"("config_warnings":[{"field":"/behaviour")"));
  CHECK(refusal([&] { desk.registry.instance("iss-1"); }).kind() == ErrorKind::invalid);
}

TEST_CASE("An issuer's settings are not stored without a passphrase to seal them") {
  IssuerDesk desk;
  const crypto::Sealer none(Secret(), crypto::Sealer::Salt{});
  IssuerRegistry registry(*desk.database, plugins(), none, nullptr);
  Issuers issuers(desk.ground(), registry, desk.cas);
  const Error error = refusal([&] { issuers.create(desk.context, body(R"({"name": "CA", "type": "Probe", "config": {"token": "x"}})")); });
  CHECK(error.code() == "sealing_key_missing");
  CHECK(desk.number("SELECT count(*) FROM issuers") == 0);
  CHECK_NOTHROW(issuers.create(desk.context, body(R"({"name": "CA", "type": "Probe"})")));
}

TEST_CASE("Settings that cannot be decrypted can be replaced, not merged with") {
  IssuerDesk desk;
  desk.add(R"({"behaviour": "done", "token": "lost"})");
  const crypto::Sealer other(Secret::copy_of("another-passphrase-another-passphrase"), crypto::Sealer::Salt{});
  IssuerRegistry registry(*desk.database, plugins(), other, nullptr);
  Issuers issuers(desk.ground(), registry, desk.cas);
  const Error error = refusal([&] { issuers.update(desk.context, "iss-1", body(R"({"config": {"behaviour": "done", "token": "********"}})")); });
  CHECK(error.kind() == ErrorKind::conflict);
  CHECK(std::string(error.what()) == "stored configuration cannot be decrypted");
  CHECK(refusal([&] { registry.instance("iss-1"); }).kind() == ErrorKind::unavailable);
  CHECK_NOTHROW(issuers.update(desk.context, "iss-1", body(R"({"config": {"behaviour": "done", "token": "new"}})")));
  CHECK_NOTHROW(registry.instance("iss-1"));
}

TEST_CASE("Settings that were put in by SQL work, are masked and are sealed by the next write") {
  IssuerDesk desk;
  desk.database->run(R"(INSERT INTO issuers (id, name, type, config) VALUES ('iss-1', 'Old', 'probe_ca', '{"behaviour": "done", "token": "clear"}'))");
  CHECK(desk.issuers.get("iss-1").type == "Probe");
  CHECK_FALSE(contains(desk.issuers.get("iss-1").config.text, "clear"));
  CHECK(json::text_or(desk.full(), "token") == "clear");
  desk.issuers.update(desk.context, "iss-1", body(R"({"name": "New"})"));
  CHECK(desk.number("SELECT count(*) FROM issuers WHERE config::text LIKE '%clear%' OR encrypted_config IS NULL") == 0);
  CHECK(json::text_or(desk.full(), "token") == "clear");
}

TEST_CASE("An issuer whose plugin is missing is listed as unavailable, its secrets masked, and takes no changes") {
  IssuerDesk desk;
  desk.database->run(R"(INSERT INTO issuers (id, name, type, config)
                        VALUES ('iss-1', 'Old', 'GoneCA', '{"api_key": "s3cr3t", "key_path": "/k.pem", "nested": {"password": "s3cr3t"}}'))");
  const auto issuer = desk.issuers.get("iss-1");
  CHECK(issuer.state == "unavailable");
  CHECK_FALSE(contains(issuer.config.text, "s3cr3t"));
  CHECK(contains(issuer.config.text, "/k.pem"));
  CHECK(refusal([&] { desk.issuers.update(desk.context, "iss-1", body(R"({"name": "New"})")); }).kind() == ErrorKind::conflict);
  CHECK(refusal([&] { desk.registry.instance("iss-1"); }).kind() == ErrorKind::unavailable);
  CHECK_NOTHROW(desk.issuers.remove(desk.context, "iss-1"));
}

TEST_CASE("A taken issuer name or id is a conflict") {
  IssuerDesk desk;
  desk.add("{}");
  const auto text = GENERATE(as<std::string>(), R"({"name": "iss-1", "type": "Probe"})", R"({"id": "iss-1", "name": "other", "type": "Probe"})");
  const Error error = refusal([&] { desk.issuers.create(desk.context, body(text)); });
  CHECK(error.kind() == ErrorKind::conflict);
  CHECK(std::string(error.what()) == "An issuer with this name already exists");
}

TEST_CASE("An issuer in use can neither be deleted nor change its type") {
  IssuerDesk desk;
  desk.add(R"({"behaviour": "done"})");
  desk.add_certificate("mc-1", "issuer_id", "'iss-1'");
  const Error kept = refusal([&] { desk.issuers.remove(desk.context, "iss-1"); });
  CHECK(kept.kind() == ErrorKind::conflict);
  CHECK(std::string(kept.what()) == "Cannot delete issuer: certificates are still using this issuer");
  CHECK(kept.fields().at(0).message == "1 certificates");
  CHECK(refusal([&] { desk.issuers.update(desk.context, "iss-1", body(R"({"type": "local", "config": {}})")); }).kind() == ErrorKind::conflict);
  desk.database->run("DELETE FROM managed_certificates");
  CHECK(desk.issuers.update(desk.context, "iss-1", body(R"({"type": "local", "config": {}})")).type == "GenericCA");
  desk.issuers.remove(desk.context, "iss-1");
  CHECK(std::string(refusal([&] { desk.issuers.get("iss-1"); }).what()) == "Issuer not found");
}

TEST_CASE("An issuer with an open issuance cannot be deleted") {
  IssuerDesk desk;
  desk.add(R"({"behaviour": "done"})");
  desk.database->run("INSERT INTO issuance_intents (id, job_id, issuer_id, state, idempotency_key) VALUES ('int-1', 'job-1', 'iss-1', 'ordered', 'k')");
  CHECK(refusal([&] { desk.issuers.remove(desk.context, "iss-1"); }).fields().at(0).field == "open_issuances");
}

TEST_CASE("An issuer's instance lives until its settings change") {
  IssuerDesk desk;
  desk.add(R"({"behaviour": "done"})");
  const auto first = desk.registry.instance("iss-1");
  CHECK(desk.registry.instance("iss-1") == first);
  desk.issuers.update(desk.context, "iss-1", body(R"({"name": "Renamed"})"));
  CHECK(desk.registry.instance("iss-1") == first);
  desk.issuers.update(desk.context, "iss-1", body(R"({"config": {"behaviour": "done", "port": 8443}})"));
  const auto second = desk.registry.instance("iss-1");
  CHECK(second != first);
  desk.registry.forget("iss-1");
  CHECK(desk.registry.instance("iss-1") != second);
}

TEST_CASE("An issuer that is not there has no connector") {
  IssuerDesk desk;
  CHECK(std::string(refusal([&] { desk.registry.instance("iss-none"); }).what()) == "issuer connector not found for iss-none");
}

TEST_CASE("A failed test of an issuer is reported, stored and audited") {
  IssuerDesk desk;
  desk.add("{}");  // lacks what the plugin needs
  const auto report = desk.issuers.test(desk.context, "iss-1");
  CHECK_FALSE(report.success);
  CHECK_FALSE(report.kind.empty());
  CHECK_FALSE(report.detail.empty());
  CHECK(desk.issuers.get("iss-1").test_status == "failed");
  CHECK(desk.issuers.get("iss-1").last_tested_at);
  CHECK(desk.events("issuer_test_connection_failed") == 1);
  CHECK(refusal([&] { desk.issuers.test(desk.context, "iss-none"); }).kind() == ErrorKind::not_found);
}

TEST_CASE("An empty installation gets an own CA with its settings from the environment, once") {
  IssuerDesk desk;
  const auto variable = [](const std::string& name) { return name == "CERTCTL_CA_CERT_PATH" ? "/ca/cert.pem" : name == "CERTCTL_CA_KEY_PATH" ? "/ca/key.pem" : ""; };
  CHECK(desk.issuers.seed(variable));
  const auto issuer = desk.issuers.get("iss-local");
  CHECK(issuer.name == "Local CA");
  CHECK(issuer.type == "GenericCA");
  CHECK(issuer.source == "env");
  CHECK(json::text_or(json::parse(issuer.config.text), "ca_key_path") == "/ca/key.pem");
  CHECK_FALSE(desk.issuers.seed(variable));
  desk.issuers.remove(desk.context, "iss-local");
  desk.add("{}");
  CHECK_FALSE(desk.issuers.seed(variable));
  CHECK(desk.number("SELECT count(*) FROM issuers") == 1);
}
