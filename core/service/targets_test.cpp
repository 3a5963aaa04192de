#include "core/service/targets.hpp"

#include "core/service/resources_test_support.hpp"
#include "core/store/targets.hpp"

using namespace certctl;
using namespace certctl::service;
using namespace certctl::service::testing;

namespace {

struct TargetDesk : Desk {
  Targets targets{ground(), plugins(), sealer};

  TargetDesk() {
    database->run("INSERT INTO agents (id, name, hostname, status, api_key_hash, last_heartbeat_at) VALUES "
                  "('ag-1', 'web-1', 'web-1', 'Online', 'h1', now()), ('ag-2', 'web-2', 'web-2', 'Online', 'h2', now()), "
                  "('ag-gone', 'web-3', 'web-3', 'Offline', 'h3', NULL)");
    database->run("UPDATE agents SET retired_at = now(), retired_reason = 'scrapped' WHERE id = 'ag-gone'");
  }
  TargetView add(std::string_view config = R"({"cert_path": "/etc/ssl/a.pem", "key_path": "/etc/ssl/a.key"})", const std::string& name = "site") {
    return targets.create(context, body(R"({"id": "tgt-1", "name": ")" + name + R"(", "type": "nginx", "agent_id": "ag-1", "config": )" + std::string(config) + "}"));
  }
  json::Document work(bool secrets = true) { return json::parse(targets.work_config(*store::targets::find(*database, "tgt-1"), secrets).text); }
};

}  // namespace

TEST_CASE("A target is stored enabled under its canonical type, its paths shown") {
  TargetDesk desk;
  const auto target = desk.targets.create(desk.context, body(R"({"name": "site", "type": "nginx", "agent_id": "ag-1", "enabled": false,
                                                                "config": {"cert_path": "/etc/ssl/a.pem", "key_path": "/etc/ssl/a.key"}})"));
  CHECK(target.id.starts_with("target-"));
  CHECK(target.type == "NGINX");
  CHECK(target.enabled);
  CHECK(target.source == "database");
  CHECK(json::text_or(json::parse(target.config.text), "key_path") == "/etc/ssl/a.key");
  CHECK_FALSE(target.config_warnings);
  CHECK(desk.events("create_target") == 1);
  CHECK(desk.events("api_post") == 1);
  CHECK(desk.number("SELECT count(*) FROM deployment_targets WHERE encrypted_config IS NULL") == 0);
}

TEST_CASE("A target with a wrong field is refused and leaves nothing behind") {
  TargetDesk desk;
  const auto [text, message] = GENERATE(table<std::string, std::string>({
      {R"({"type": "NGINX", "agent_id": "ag-1"})", "name is required"},
      {R"({"name": "t", "agent_id": "ag-1"})", "type is required"},
      {R"({"name": "t", "type": "NGINX"})", "agent_id is required"},
      {R"({"name": "t", "type": "Abacus", "agent_id": "ag-1"})", "unsupported target type: Abacus"},
      {R"({"name": "t", "type": "NGINX", "agent_id": "ag-none"})", "referenced agent does not exist: ag-none"},
      {R"({"name": "t", "type": "NGINX", "agent_id": "ag-gone"})", "referenced agent does not exist: ag-gone (retired)"},
      {R"({"name": "t", "type": "NGINX", "agent_id": "ag-1", "config": {"cert_path": 7.5, "backup_retention": "x"}})", "invalid config: config/backup_retention"},
      {R"({"name": "t", "type": "NGINX", "agent_id": "ag-1", "config": {"cert_content": "half"}})", "invalid config: config/cert_content: must be one of"},
      {R"({"name": "t", "type": "NGINX", "agent_id": "ag-1", "config": {"cert_path": "/a", "reload_command": "nginx; rm"}})",
       "command contains shell metacharacter \";\""},
      {R"({"name": "t", "type": "NGINX", "agent_id": "ag-1", "config": {"cert_path": "/a", "cert_file_mode": 644}})",
       "cert_file_mode 644 is not an octal mode; write \"0644\""},
  }));
  CAPTURE(text);
  const Error error = refusal([&] { desk.targets.create(desk.context, body(text)); });
  CHECK(error.kind() == ErrorKind::invalid);
  CHECK(contains(error.what(), message));
  CHECK(desk.number("SELECT count(*) FROM deployment_targets") == 0);
}

TEST_CASE("Missing and unknown settings of a target are stored and told") {
  TargetDesk desk;
  const auto target = desk.add(R"({"key_path": "/k", "colour": "red"})");
  REQUIRE(target.config_warnings);
  CHECK(target.config_warnings->size() == 2);
  CHECK(target.config_warnings->at(0).field == "/cert_path");
}

TEST_CASE("A target's name is unique on its agent only, and free again after a delete") {
  TargetDesk desk;
  desk.add();
  const auto same = [&](const std::string& agent) {
    return desk.targets.create(desk.context, body(R"({"name": "site", "type": "NGINX", "agent_id": ")" + agent + "\"}"));
  };
  const Error error = refusal([&] { same("ag-1"); });
  CHECK(error.kind() == ErrorKind::conflict);
  CHECK(std::string(error.what()) == "Target with this name already exists");
  CHECK_NOTHROW(same("ag-2"));
  desk.targets.remove(desk.context, "tgt-1");
  CHECK_NOTHROW(same("ag-1"));
}

TEST_CASE("An update of a target keeps what it does not name") {
  TargetDesk desk;
  desk.add();
  auto target = desk.targets.update(desk.context, "tgt-1", body(R"({"name": "renamed"})"));
  CHECK(target.name == "renamed");
  CHECK(target.agent_id == "ag-1");
  CHECK(json::text_or(json::parse(target.config.text), "cert_path") == "/etc/ssl/a.pem");
  target = desk.targets.update(desk.context, "tgt-1", body(R"({"enabled": false, "config": {"cert_path": "/b.pem", "key_path": "********"}})"));
  CHECK_FALSE(target.enabled);
  CHECK(json::text_or(json::parse(target.config.text), "key_path") == "/etc/ssl/a.key");  // echoed asterisks, also for a path
  CHECK(json::text_or(json::parse(target.config.text), "cert_path") == "/b.pem");
}

TEST_CASE("A deleted target is gone for clients, with its mappings and the deployments nobody began") {
  TargetDesk desk;
  desk.add();
  desk.add_certificate("mc-1");
  desk.database->run("INSERT INTO certificate_target_mappings (certificate_id, target_id) VALUES ('mc-1', 'tgt-1')");
  desk.database->run("INSERT INTO jobs (id, type, certificate_id, target_id, status) VALUES ('job-1', 'Deployment', 'mc-1', 'tgt-1', 'Pending')");
  desk.targets.remove(desk.context, "tgt-1");
  CHECK(std::string(refusal([&] { desk.targets.get("tgt-1"); }).what()) == "Target not found");
  CHECK(refusal([&] { desk.targets.remove(desk.context, "tgt-1"); }).kind() == ErrorKind::not_found);
  CHECK(desk.targets.list({1, 50}).total == 0);
  CHECK(desk.number("SELECT count(*) FROM certificate_target_mappings") == 0);
  CHECK(desk.text("SELECT status FROM jobs WHERE id = 'job-1'") == "Cancelled");
  CHECK(desk.number("SELECT count(*) FROM deployment_targets") == 1);  // the history's
}

TEST_CASE("A target that was retired with its agent can be read and not changed") {
  TargetDesk desk;
  desk.add();
  desk.database->run("UPDATE deployment_targets SET retired_at = now(), retired_reason = 'host gone'");
  CHECK(desk.targets.get("tgt-1").retired_reason == "host gone");
  CHECK(desk.targets.list({1, 50}).total == 0);
  CHECK(refusal([&] { desk.targets.update(desk.context, "tgt-1", body(R"({"name": "x"})")); }).kind() == ErrorKind::conflict);
}

TEST_CASE("A work item's settings are in upstream's JSON types, defaults filled in, commands not") {
  TargetDesk desk;
  desk.add(R"({"cert_path": "/a.pem", "cert_file_mode": "0640", "key_file_mode": "600", "backup_retention": "5",
               "post_deploy_verify_backoff": "1m30s", "post_deploy_verify": {"enabled": "true", "timeout": "300ms"}})");
  const auto work = desk.work();
  CHECK(json::integer_or(work, "cert_file_mode", 0) == 416);
  CHECK(json::integer_or(work, "key_file_mode", 0) == 384);
  CHECK(json::integer_or(work, "backup_retention", 0) == 5);
  CHECK(json::integer_or(work, "post_deploy_verify_backoff", 0) == 90'000'000'000);
  CHECK(json::at(work, "/post_deploy_verify/timeout")->GetInt64() == 300'000'000);
  CHECK(json::at(work, "/post_deploy_verify/enabled")->GetBool());
  CHECK(json::text_or(work, "cert_content") == "fullchain");
  CHECK(json::find(work, "reload_command") == nullptr);
  CHECK(json::text_or(json::parse(desk.targets.get("tgt-1").config.text), "cert_file_mode") == "0640");  // as given
}

TEST_CASE("The test of a target tells in upstream's words what is wrong with its agent") {
  TargetDesk desk;
  desk.add();
  const auto [sql, message] = GENERATE(table<std::string, std::string>({
      {"SELECT 1", "Agent is online and reachable"},
      {"UPDATE agents SET last_heartbeat_at = NULL WHERE id = 'ag-1'", "Agent is online and reachable"},
      {"UPDATE agents SET status = 'Degraded' WHERE id = 'ag-1'", "assigned agent ag-1 is Degraded (expected Online)"},
      {"UPDATE agents SET retired_at = now(), retired_reason = 'x' WHERE id = 'ag-1'", "assigned agent ag-1 is retired"},
      {"UPDATE agents SET last_heartbeat_at = now() - interval '7 minutes 3 seconds' WHERE id = 'ag-1'",
       "assigned agent ag-1 last heartbeat was 7m"},
  }));
  CAPTURE(sql);
  desk.database->run(sql);
  const auto result = desk.targets.test(desk.context, "tgt-1");
  CHECK(contains(result.message, message));
  CHECK(result.success == (result.message == "Agent is online and reachable"));
  CHECK(desk.targets.get("tgt-1").test_status == (result.success ? "success" : "failed"));
  CHECK(desk.events(result.success ? "target_test_connection_success" : "target_test_connection_failed") == 1);
}

TEST_CASE("The test of an unknown target fails without an error") {
  TargetDesk desk;
  const auto result = desk.targets.test(desk.context, "tgt-none");
  CHECK_FALSE(result.success);
  CHECK(result.message == "target not found: tgt-none");
}
