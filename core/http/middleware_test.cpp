#include "core/base/json.hpp"
#include "core/http/http_test_support.hpp"

namespace certctl::http::test {
namespace {

TEST_CASE("A request without, with a malformed, or with a wrong key gets 401 and says what is expected") {
  TestServer server;
  RawClient client(server.port());
  struct Case {
    std::string fields;
    const char* text;
  };
  for (const auto& [fields, text] :
       {Case{"", "Authorization header required"},
        Case{"Authorization: Basic YTpi\r\n", "Invalid Authorization header format, expected: Bearer <token>"},
        Case{"Authorization: Bearer\r\n", "Invalid Authorization header format, expected: Bearer <token>"},
        Case{std::string(kKey) + kKey, "Invalid Authorization header format, expected: Bearer <token>"},
        Case{"Authorization: Bearer KEY-OF-OPS-0123456789\r\n", "Invalid API key"}}) {
    INFO(fields);
    const auto answer = client.get("/api/v1/things/x", fields);
    CHECK(answer.status == 401);
    CHECK(answer.header("WWW-Authenticate") == "Bearer realm=\"certctl\"");
    const auto body = json::parse(answer.body);
    CHECK(json::text_or(body, "error") == text);
    CHECK(json::text_or(body, "message") == text);
    CHECK(json::text_or(body, "request_id") == answer.header("X-Request-ID"));
  }
  CHECK(client.get("/api/v1/things/x", "Authorization: bearer key-of-ops-0123456789\r\n").status == 200);
}

TEST_CASE("Unknown paths, methods and ids") {
  TestServer server;
  RawClient client(server.port());
  const auto unknown = client.get("/nowhere");
  CHECK(unknown.status == 404);
  CHECK(json::text_or(json::parse(unknown.body), "message") == "no such endpoint");
  CHECK(client.get("/api/v1/nowhere").status == 401);
  CHECK(client.get("/api/v1/nowhere", kKey).status == 404);

  const auto wrong = client.post("/api/v1/things/x", "{}", kKey);
  CHECK(wrong.status == 405);
  CHECK(wrong.header("Allow") == "DELETE, GET, HEAD");
  CHECK(json::text_or(json::parse(wrong.body), "message") == "Method not allowed");
  CHECK(client.post("/api/v1/things/x", "{}").status == 401);
  CHECK(client.post("/health", "{}").status == 405);

  CHECK(client.get("/api/v1/things/a%2Fb", kKey).status == 404);
  CHECK(client.get("/api/v1/things/" + std::string(129, 'a'), kKey).status == 404);
  CHECK(client.get("/api/v1/things/", kKey).status == 404);
  CHECK(client.get("/api/v1/things/%2e%2e/x", kKey).status == 400);
  CHECK(client.get("/api/v1//things/x", kKey).status == 400);
  CHECK(client.get("/api/v1/things/x%00", kKey).status == 400);
  CHECK(client.get("/.well-known/pki/ocsp/i-1/MEUw//x+y=").body == "MEUw//x+y=");
}

TEST_CASE("Only admins pass the admin gate") {
  TestServer server;
  RawClient client(server.port());
  const auto refused = client.post("/api/v1/admin/reload", "{}", kKey);
  CHECK(refused.status == 403);
  CHECK(json::text_or(json::parse(refused.body), "error") == "Forbidden");
  CHECK(json::text_or(json::parse(refused.body), "message") == "Admin access required");
  CHECK(client.post("/api/v1/admin/reload", "{}", kAdminKey).status == 200);
}

TEST_CASE("An exception becomes its envelope, and what is internal stays inside") {
  TestServer server;
  RawClient client(server.port());
  const auto conflict = client.get("/api/v1/fail/conflict", kKey);
  CHECK(conflict.status == 409);
  CHECK(json::text_or(json::parse(conflict.body), "code") == "has_dependants");
  CHECK(client.get("/api/v1/fail/field", kKey).body.find("\"errors\":[{\"field\":\"/name\"") != std::string::npos);
  const auto away = client.get("/api/v1/fail/unavailable", kKey);
  CHECK(away.status == 503);
  CHECK(away.header("Retry-After") == "5");
  for (const char* how : {"internal", "other"}) {
    const auto hidden = client.get(std::string("/api/v1/fail/") + how, kKey);
    CHECK(hidden.status == 500);
    CHECK(json::text_or(json::parse(hidden.body), "message") == "Internal Server Error");
  }
}

TEST_CASE("Bodies of a kind that nobody reads get 415") {
  TestServer server;
  RawClient client(server.port());
  CHECK(client.post("/api/v1/things", "x", std::string(kKey) + "Content-Encoding: gzip\r\n").status == 415);
  CHECK(client.post("/api/v1/things", "x", std::string(kKey) + "Content-Encoding: identity\r\n").status == 201);
  CHECK(client.post("/api/v1/things", "x", std::string(kKey) + "Content-Type: multipart/form-data; boundary=x\r\n")
            .status == 415);
  CHECK(client.post("/api/v1/things", "x", std::string(kKey) + "Content-Type: application/json; charset=latin1\r\n")
            .status == 415);
  CHECK(client.post("/api/v1/things", "x", std::string(kKey) + "Content-Type: application/json; charset=\"UTF-8\"\r\n")
            .status == 201);
  CHECK(client.post("/api/v1/things", "x", std::string(kKey) + "Content-Type: application/x-www-form-urlencoded\r\n")
            .status == 201);
}

TEST_CASE("Every answer carries the security headers, errors included") {
  TestServer server;
  RawClient client(server.port());
  for (const auto& answer : {client.get("/health"), client.get("/nowhere"), client.get("/api/v1/things/x"),
                             client.get("/api/v1/things/x", kKey)}) {
    CHECK(answer.header("Strict-Transport-Security") == "max-age=31536000; includeSubDomains");
    CHECK(answer.header("X-Frame-Options") == "DENY");
    CHECK(answer.header("X-Content-Type-Options") == "nosniff");
    CHECK(answer.header("Referrer-Policy") == "no-referrer");
    CHECK(answer.header("Content-Security-Policy").find("default-src 'self'") == 0);
    CHECK(answer.header("X-Request-ID").size() == 36);
    CHECK(answer.header("Server").empty());
    CHECK_FALSE(answer.header("Date").empty());
  }
  CHECK(client.get("/api/v1/things/x", kKey).header("Cache-Control") == "no-store");
  CHECK(client.get("/health").header("Cache-Control").empty());
  client.send("nonsense\r\n\r\n");
  CHECK(client.answer().header("X-Frame-Options") == "DENY");
}

TEST_CASE("Cross-origin headers go to listed origins only") {
  TestServer listed({}, [](ChainOptions& options) { options.cors_origins = {"https://console.example"}; });
  RawClient client(listed.port());
  const auto matched = client.get("/api/v1/things/x", std::string(kKey) + "Origin: https://console.example\r\n");
  CHECK(matched.header("Access-Control-Allow-Origin") == "https://console.example");
  CHECK(matched.header("Vary") == "Origin");
  const auto other = client.get("/api/v1/things/x", std::string(kKey) + "Origin: https://console.example.evil\r\n");
  CHECK(other.header("Access-Control-Allow-Origin").empty());
  CHECK(other.header("Vary") == "Origin");
  CHECK(client.get("/health", "Origin: https://any\r\n").header("Access-Control-Allow-Origin") == "*");

  client.send(
      "OPTIONS /api/v1/things/x HTTP/1.1\r\nHost: localhost\r\nOrigin: "
      "https://console.example\r\nAccess-Control-Request-Method: DELETE\r\n\r\n");
  const auto preflight = client.answer();
  CHECK(preflight.status == 204);
  CHECK(preflight.header("Access-Control-Allow-Methods") == "GET, POST, PUT, DELETE, PATCH, OPTIONS");
  CHECK(preflight.header("Access-Control-Max-Age") == "86400");
  CHECK(preflight.header("Access-Control-Allow-Credentials").empty());

  TestServer closed;
  RawClient plain(closed.port());
  CHECK(
      plain.get("/api/v1/things/x", std::string(kKey) + "Origin: https://console.example\r\n").header("Vary").empty());
}

TEST_CASE("A caller over its limit gets 429 with the time to wait, another caller does not") {
  TestServer server({}, [](ChainOptions& options) {
    options.rate_limit = true;
    options.per_ip = {1000, 1000};
    options.per_user = {0.5, 3};
  });
  RawClient client(server.port());
  for (int left = 2; left >= 0; --left) {
    const auto answer = client.get("/api/v1/things/x", kKey);
    CHECK(answer.status == 200);
    CHECK(answer.header("RateLimit-Limit") == "3");
    CHECK(answer.header("RateLimit-Remaining") == std::to_string(left));
  }
  const auto refused = client.get("/api/v1/things/x", kKey);
  CHECK(refused.status == 429);
  CHECK(refused.header("Retry-After") == "2");
  CHECK(json::text_or(json::parse(refused.body), "error") == "Rate limit exceeded");
  CHECK(client.get("/api/v1/things/x", kAdminKey).status == 200);
  CHECK(client.get("/health").status == 200);
}

TEST_CASE("An address is limited before its key is looked at, but a fleet behind it is counted by agent") {
  TestServer server({}, [](ChainOptions& options) {
    options.rate_limit = true;
    options.per_ip = {0.1, 2};
    options.per_agent = {0.1, 3};
  });
  RawClient client(server.port());
  CHECK(client.get("/api/v1/things/x").status == 401);
  CHECK(client.get("/api/v1/things/x", kKey).status == 200);
  CHECK(client.get("/api/v1/things/x", kKey).status == 429);
  for (const char* agent : {"agent-7", "agent-8", "agent-9"}) {
    for (int i = 0; i < 3; ++i) CHECK(client.get(std::string("/api/v1/agents/") + agent + "/work", kKey).status == 200);
    CHECK(client.get(std::string("/api/v1/agents/") + agent + "/work", kKey).status == 429);
  }
}

TEST_CASE("Guessing keys is slowed down without locking the right key out") {
  TestServer server({}, [](ChainOptions& options) { options.auth_failures_per_minute = 3; });
  RawClient client(server.port());
  const std::string wrong = "Authorization: Bearer wrong\r\n";
  for (int i = 0; i < 3; ++i) CHECK(client.get("/api/v1/things/x", wrong).status == 401);
  const auto refused = client.get("/api/v1/things/x", wrong);
  CHECK(refused.status == 429);
  CHECK_FALSE(refused.header("Retry-After").empty());
  CHECK(client.get("/api/v1/things/x", kKey).status == 200);
}

TEST_CASE("Keyed calls, refused keys and limits reach the audit trail; probes do not") {
  TestServer server;
  RawClient client(server.port());
  client.get("/health");
  client.get("/api/v1/things/x");
  client.post("/api/v1/things?secret=1", "abc", kKey);
  client.post("/api/v1/admin/reload", "{}", kKey);
  REQUIRE(eventually([&] { return server.audit.records().size() == 3; }));
  const auto records = server.audit.records();
  CHECK(records[0].kind == AuditRecord::Kind::auth_failed);
  CHECK(records[0].reason == "missing");
  CHECK(records[0].principal.name == "anonymous");
  CHECK(records[1].kind == AuditRecord::Kind::call);
  CHECK(records[1].principal.name == "ops");
  CHECK(records[1].path == "/api/v1/things");
  CHECK(records[1].status == 201);
  CHECK(records[1].body_hash == "ba7816bf8f01cfea");
  CHECK(records[2].status == 403);
}

TEST_CASE("An agent's key opens its own routes and nothing else") {
  TestServer server;
  RawClient client(server.port());
  CHECK(client.get("/api/v1/agents/agent-1/work", kAgentKey).status == 200);
  CHECK(client.get("/api/v1/agents/agent-2/work", kAgentKey).status == 403);
  CHECK(client.get("/api/v1/things/x", kAgentKey).status == 403);
  CHECK(client.get("/api/v1/agents/agent-9/work", kKey).status == 200);
  const auto retired = client.get("/api/v1/agents/agent-2/work", kRetiredKey);
  CHECK(retired.status == 410);
  CHECK(json::text_or(json::parse(retired.body), "message") == "Agent has been retired");
}

TEST_CASE("In bound mode users may only look at agent routes, and only admins") {
  KeyAuthenticatorOptions options;
  options.agents = AgentMode::bound;
  TestServer server({}, {}, std::move(options));
  RawClient client(server.port());
  CHECK(client.get("/api/v1/agents/agent-1/work", kAgentKey).status == 200);
  CHECK(client.get("/api/v1/agents/agent-1/work", kKey).status == 403);
  CHECK(client.get("/api/v1/agents/agent-1/work", kAdminKey).status == 200);
}

TEST_CASE("Registration takes the bootstrap token alone, or a key together with it") {
  KeyAuthenticatorOptions options;
  options.bootstrap_token = Secret::copy_of("bootstrap-token-0123456789");
  TestServer server({}, {}, std::move(options));
  RawClient client(server.port());
  const std::string token = "X-Certctl-Bootstrap-Token: bootstrap-token-0123456789\r\n";
  CHECK(client.post("/api/v1/agents", "{}", "Authorization: Bearer bootstrap-token-0123456789\r\n").body ==
        "{\"by\":\"bootstrap\"}\n");
  CHECK(client.post("/api/v1/agents", "{}", kKey + token).body == "{\"by\":\"ops\"}\n");
  for (const std::string& fields : {std::string(), std::string(kKey), "Authorization: Bearer wrong\r\n" + token}) {
    const auto refused = client.post("/api/v1/agents", "{}", fields);
    CHECK(refused.status == 401);
    CHECK(json::text_or(json::parse(refused.body), "error") == "Unauthorized");
    CHECK(json::text_or(json::parse(refused.body), "message") == "invalid_or_missing_bootstrap_token");
  }
  CHECK(client.get("/api/v1/things/x", "Authorization: Bearer bootstrap-token-0123456789\r\n").status == 401);
}

TEST_CASE("Without authentication everybody is anonymous and nobody is admin") {
  KeyAuthenticatorOptions options;
  options.type = AuthType::none;
  TestServer server({}, {}, std::move(options));
  RawClient client(server.port());
  CHECK(client.get("/api/v1/things/x").status == 200);
  CHECK(client.post("/api/v1/admin/reload", "{}").status == 403);
  REQUIRE(eventually([&] { return server.audit.records().size() == 2; }));
  CHECK(server.audit.records()[0].principal.name == "anonymous");
}

TEST_CASE("X-Forwarded-For counts only from a trusted proxy, from the right") {
  const auto limited = [](ChainOptions& options) {
    options.rate_limit = true;
    options.per_ip = {0.1, 1};
  };
  TestServer direct({}, limited);
  RawClient client(direct.port());
  CHECK(client.get("/nowhere", "X-Forwarded-For: 192.0.2.1\r\n").status == 404);
  CHECK(client.get("/nowhere", "X-Forwarded-For: 192.0.2.2\r\n").status == 429);

  TestServer behind({}, [&](ChainOptions& options) {
    limited(options);
    options.trusted_proxies = {*Cidr::parse("127.0.0.0/8")};
  });
  RawClient proxy(behind.port());
  CHECK(proxy.get("/nowhere", "X-Forwarded-For: 192.0.2.1\r\n").status == 404);
  CHECK(proxy.get("/nowhere", "X-Forwarded-For: 192.0.2.2\r\n").status == 404);
  CHECK(proxy.get("/nowhere", "X-Forwarded-For: 198.51.100.9, 192.0.2.2, 127.0.0.5\r\n").status == 429);
}

TEST_CASE("New limits and origins hold from the next request on") {
  TestServer server;
  RawClient client(server.port());
  CHECK(client.get("/api/v1/things/x", std::string(kKey) + "Origin: https://a.example\r\n")
            .header("Access-Control-Allow-Origin")
            .empty());
  ChainOptions options;
  options.rate_limit = false;
  options.cors_origins = {"*"};
  server.chain->reconfigure(options);
  CHECK(client.get("/api/v1/things/x", std::string(kKey) + "Origin: https://a.example\r\n")
            .header("Access-Control-Allow-Origin") == "*");
  server.authenticator.replace_keys(ApiKeys::parse_named(Secret::copy_of("new:key-of-new-0123456789")));
  CHECK(client.get("/api/v1/things/x", kKey).status == 401);
  CHECK(client.get("/api/v1/things/x", "Authorization: Bearer key-of-new-0123456789\r\n").status == 200);
}

}  // namespace
}  // namespace certctl::http::test
