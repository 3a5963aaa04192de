#include "core/api/meta.hpp"

#include "core/api/api_test_support.hpp"

using namespace certctl;
using namespace certctl::api;
using namespace certctl::api::testing;

namespace {

struct Probes {
  bool database = true, draining = false;
  http::Router router;

  explicit Probes(http::AuthType type = http::AuthType::api_key) {
    Meta meta;
    meta.database_answers = [this] { return database; };
    meta.draining = [this] { return draining; };
    meta.auth_type = type;
    add_meta_routes(router, std::move(meta));
  }
};

}  // namespace

TEST_CASE("A process that serves is healthy, whatever the database does") {
  Probes probes;
  probes.database = false;
  const auto answer = ask(probes.router, "GET", "/health");
  CHECK(answer.status == 200);
  CHECK(json::text_or(parsed(answer), "status") == "healthy");
}

TEST_CASE("Readiness follows the database and the drain") {
  Probes probes;
  auto answer = ask(probes.router, "GET", "/ready");
  CHECK(answer.status == 200);
  CHECK(json::text_or(parsed(answer), "db") == "reachable");
  probes.database = false;
  answer = ask(probes.router, "GET", "/ready");
  CHECK(answer.status == 503);
  CHECK(json::text_or(parsed(answer), "status") == "db_unavailable");
  probes.draining = true;
  CHECK(json::text_or(parsed(ask(probes.router, "GET", "/ready")), "status") == "draining");
}

TEST_CASE("The version names the release, the API and the plugin ABI") {
  Probes probes;
  const auto version = parsed(ask(probes.router, "GET", "/api/v1/version"));
  CHECK_FALSE(json::text_or(version, "version").empty());
  CHECK(version.HasMember("go_version"));
  CHECK(json::texts(version, "api_versions") == std::vector<std::string>{"v1"});
  CHECK(json::text_or(version, "plugin_abi") == "1.0");
}

TEST_CASE("The session routes say whether a key is needed and whose it is") {
  Probes keyed, open(http::AuthType::none);
  CHECK(json::text_or(parsed(ask(keyed.router, "GET", "/api/v1/auth/info")), "auth_type") == "api-key");
  CHECK(json::flag_or(parsed(ask(open.router, "GET", "/api/v1/auth/info")), "required", true) == false);
  const auto admin = parsed(ask(keyed.router, "GET", "/api/v1/auth/check", {}, {http::Principal::Kind::user, "ops", true, false}));
  CHECK(json::text_or(admin, "user") == "ops");
  CHECK(json::flag_or(admin, "admin", false));
  const auto nobody = parsed(ask(open.router, "GET", "/api/v1/auth/check", {}, {}));
  CHECK(json::text_or(nobody, "user", "?").empty());
  CHECK_FALSE(json::flag_or(nobody, "admin", true));
}

TEST_CASE("Probes need no key, leave no audit event and may be asked from any origin") {
  Probes probes;
  for (const auto* path : {"/health", "/ready", "/api/v1/version", "/api/v1/auth/info"}) {
    CAPTURE(path);
    const auto* route = probes.router.match("GET", path).route;
    REQUIRE(route != nullptr);
    CHECK(route->options.auth == http::Auth::none);
    CHECK_FALSE(route->options.audited);
    CHECK(route->options.public_cors);
  }
  CHECK(probes.router.match("GET", "/api/v1/auth/check").route->options.auth == http::Auth::bearer);
}
