#include "core/service/connector_settings.hpp"

#include "core/service/resources_test_support.hpp"

using namespace certctl;
using namespace certctl::service;
using namespace certctl::service::testing;

TEST_CASE("Without a plugin names decide what is masked, at any depth, and private keys always are") {
  const crypto::Sealer sealer(Secret(), crypto::Sealer::Salt{});
  const ConnectorSettings settings("target", plugins(), sealer);
  const auto shown = json::parse(settings.masked("NoSuchType", json::raw(R"({
    "password": "a", "winrm": {"winrm_password": "b"}, "list": [{"api_token": "c"}], "key_path": "/k", "secret_name": "s",
    "empty_password": "", "notes": "-----BEGIN PRIVATE KEY-----\nMC4\n-----END PRIVATE KEY-----", "host": "h", "key_size": 7})")).text);
  for (const auto* pointer : {"/password", "/winrm/winrm_password", "/list/0/api_token", "/notes"}) {
    CAPTURE(pointer);
    CHECK(json::text_of(*json::at(shown, pointer)) == "********");
  }
  CHECK(json::text_or(shown, "key_path") == "/k");
  CHECK(json::text_or(shown, "secret_name") == "s");
  CHECK(json::text_or(shown, "empty_password").empty());
  CHECK(json::text_or(shown, "host") == "h");
  CHECK(json::integer_or(shown, "key_size", 0) == 7);
}

TEST_CASE("What is no mode and no duration keeps its form on the wire") {
  const auto config = json::parse(wire_forms(json::raw(R"({"cert_file_mode": 416, "key_file_mode": "0999", "exec_deadline": "soon",
                                                           "post_deploy_verify_backoff": 5, "note": "10s", "timeout": "30"})")).text);
  CHECK(json::integer_or(config, "cert_file_mode", 0) == 416);
  CHECK(json::text_or(config, "key_file_mode") == "0999");
  CHECK(json::text_or(config, "exec_deadline") == "soon");
  CHECK(json::integer_or(config, "post_deploy_verify_backoff", 0) == 5);
  CHECK(json::text_or(config, "note") == "10s");
  CHECK(json::integer_or(config, "timeout", 0) == 30);
}

TEST_CASE("Changed settings are named, added and removed ones too") {
  const auto names = changed_settings(json::raw(R"({"a": 1, "b": {"c": 2}, "gone": true})"), json::raw(R"({"a": 1, "b": {"c": 3}, "new": ""})"));
  CHECK(names == std::vector<std::string>{"config.b", "config.new", "config.gone"});
}
