#include "core/api/issuers.hpp"

#include "core/api/api_test_support.hpp"
#include "test/support/postgres.hpp"

using namespace certctl;
using namespace certctl::api;
using namespace certctl::api::testing;

namespace {

struct Api {
  explicit Api(const char* passphrase = "correct-horse-battery-staple-0123456789")
      : sealer(Secret::copy_of(passphrase), crypto::Sealer::Salt{}) {
    add_issuer_routes(router, issuers);
  }

  std::unique_ptr<db::Database> database = test::TestPostgres::shared().open();
  SystemClock clock;
  service::Audit audit{clock};
  crypto::Sealer sealer;
  plugin::Host plugins{{CERTCTL_PROBE_PLUGIN_DIR}, std::make_shared<SystemClock>()};
  service::Ground ground{*database, clock, audit};
  service::IssuerRegistry registry{*database, plugins, sealer, nullptr};
  service::OwnCas cas{ground, sealer, "/nonexistent"};
  service::Issuers issuers{ground, registry, cas};
  http::Router router;
};

}  // namespace

TEST_CASE("Issuers are created, read, changed, listed and deleted over REST") {
  Api api;
  const auto made = ask(api.router, "POST", "/api/v1/issuers", R"({"id": "iss-1", "name": "CA", "type": "probe", "config": {"behaviour": "done", "token": "t"}})");
  CHECK(made.status == 201);
  CHECK(json::text_of(*json::at(parsed(made), "/config/token")) == "********");
  CHECK(json::text_or(parsed(ask(api.router, "GET", "/api/v1/issuers/iss-1")), "type") == "Probe");
  CHECK(json::text_or(parsed(ask(api.router, "PUT", "/api/v1/issuers/iss-1", R"({"name": "New"})")), "name") == "New");
  const auto list = parsed(ask(api.router, "GET", "/api/v1/issuers"));
  CHECK(json::integer_or(list, "total", 0) == 1);
  CHECK(json::at(list, "/data/0/encrypted_config") == nullptr);
  CHECK(ask(api.router, "DELETE", "/api/v1/issuers/iss-1").status == 204);
}

TEST_CASE("A failed test of an issuer keeps upstream's status and words and adds the reason") {
  Api api;
  ask(api.router, "POST", "/api/v1/issuers", R"({"id": "iss-1", "name": "CA", "type": "Probe"})");
  const auto answer = ask(api.router, "POST", "/api/v1/issuers/iss-1/test");
  CHECK(answer.status == 500);
  CHECK(json::text_or(parsed(answer), "message") == "Connection test failed");
  CHECK(json::text_or(parsed(answer), "request_id") == "req-1");
  CHECK_FALSE(json::text_or(parsed(answer), "detail").empty());
  CHECK(parsed(answer).HasMember("checks"));
}

TEST_CASE("Settings that cannot be sealed are answered with the code that names the remedy") {
  Api api("");
  const auto answer = ask(api.router, "POST", "/api/v1/issuers", R"({"name": "CA", "type": "Probe", "config": {"token": "t"}})");
  CHECK(answer.status == 500);
  CHECK(json::text_or(parsed(answer), "message") == "Failed to create issuer");
  CHECK(json::text_or(parsed(answer), "code") == "sealing_key_missing");
}
