// The main job: from a certificate's row to what a real nginx serves.
#include <catch2/catch.hpp>
#include <sys/stat.h>

#include <fstream>

#include "core/base/error.hpp"
#include "test/integration/installation.hpp"

using namespace certctl;
using namespace certctl::test;
using namespace std::chrono_literals;

namespace {

/// One installation for the cases that only use it as its users do.
Installation& shared() {
  static Installation installation;
  static const bool up = [] {
    installation.start_nginx();
    installation.start_server();
    installation.lay_ground();
    installation.start_agent();
    return true;
  }();
  static_cast<void>(up);
  return installation;
}

}  // namespace

TEST_CASE("a certificate that is created is issued, served by nginx and verified without another call") {
  auto& all = shared();
  all.create_certificate("mc-first");
  INFO(all.logs());
  REQUIRE(all.wait_served("mc-first"));
  CHECK(all.versions("mc-first") == 1);
  CHECK(all.jobs("mc-first", "Issuance").size() == 1);
  const auto deployments = all.jobs("mc-first", "Deployment");
  REQUIRE(deployments.size() == 1);
  CHECK(json::text_or(deployments[0], "verification_status") == "success");
  for (const auto action : {"certificate_created", "csr_submitted", "renewal_job_completed", "certificate_retrieved", "deployment_job_completed"}) {
    CAPTURE(action);
    CHECK(all.audited(action, "mc-first"));
  }
}

TEST_CASE("the agent's key never leaves its folder") {
  auto& all = shared();
  REQUIRE(all.wait_served("mc-first"));
  struct stat status {};
  REQUIRE(::stat((all.folder() / "agent/keys/mc-first.key").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  const auto versions = all.ask("GET", "/certificates/mc-first/versions");
  CHECK(json::dump(versions).find("PRIVATE KEY") == std::string::npos);
}

TEST_CASE("renewal on demand makes a new key and nginx serves the new certificate") {
  auto& all = shared();
  REQUIRE(all.wait_served("mc-first"));
  const std::string before = all.served_fingerprint();
  const auto answer = all.call("POST", "/api/v1/certificates/mc-first/renew?force=true");
  REQUIRE(answer.status == 202);
  CHECK(answer.field("status") == "renewal_triggered");
  INFO(all.logs());
  REQUIRE(all.wait([&] { return all.current_fingerprint("mc-first") != before; }));
  REQUIRE(all.wait_served("mc-first"));
  CHECK(all.served_fingerprint() != before);
}

TEST_CASE("of two renewals at once one is taken and one is refused") {
  auto& all = shared();
  all.ask("POST", "/certificates", R"({"id":"mc-idle","name":"mc-idle","common_name":"idle.example.com","owner_id":"o-1","team_id":"t-1",
                                       "issuer_id":"iss-1","renewal_policy_id":"rp-1"})");
  CHECK(all.call("POST", "/api/v1/certificates/mc-idle/renew").status == 202);
  const auto second = all.call("POST", "/api/v1/certificates/mc-idle/renew");
  CHECK(second.status == 409);
  CHECK(second.field("message") == "certificate renewal already in progress");
  CHECK(all.jobs("mc-idle", "Issuance").size() == 1);
}

TEST_CASE("a short-lived certificate is renewed by the scheduler inside its window") {
  auto& all = shared();
  all.ask("POST", "/profiles", R"({"id":"prof-short","name":"short","max_ttl_seconds":150,"allow_short_lived":true})");
  all.create_certificate("mc-short", "prof-short");
  INFO(all.logs());
  REQUIRE(all.wait([&] { return all.versions("mc-short") >= 1; }));
  CHECK(all.wait([&] { return all.versions("mc-short") >= 2; }, 120s));
  CHECK(all.audited("renewal_job_created", "mc-short"));
  all.ask("DELETE", "/certificates/mc-short");
}

TEST_CASE("an nginx configuration that fails validation leaves the old certificate in place and the job says why") {
  auto& all = shared();
  all.create_certificate("mc-broken");
  REQUIRE(all.wait_served("mc-broken"));
  const std::string before = all.served_fingerprint();
  std::ifstream in(all.nginx_config_path());
  const std::string good((std::istreambuf_iterator<char>(in)), {});
  std::ofstream(all.nginx_config_path()) << good << "nonsense;\n";
  all.ask("POST", "/certificates/mc-broken/renew?force=true");
  INFO(all.logs());
  REQUIRE(all.wait_job("mc-broken", "Deployment", "Failed"));
  CHECK_THAT(all.last_error("mc-broken", "Deployment"), Catch::Contains("deploy: validate (PreCommit) failed") && Catch::Contains("nginx -t failed"));
  CHECK(all.served_fingerprint() == before);
  std::ofstream(all.nginx_config_path()) << good;
  all.ask("POST", "/certificates/mc-broken/deploy");
  CHECK(all.wait_served("mc-broken"));
}

TEST_CASE("a revoked certificate is revoked once, told to its CA and not renewed") {
  auto& all = shared();
  all.create_certificate("mc-revoked");
  REQUIRE(all.wait_served("mc-revoked"));
  CHECK(all.call("POST", "/api/v1/certificates/mc-revoked/revoke", R"({"reason":"nonsense"})").status == 400);
  CHECK(all.call("POST", "/api/v1/certificates/mc-revoked/revoke", R"({"reason":"key_compromise"})").status == 200);
  const auto again = all.call("POST", "/api/v1/certificates/mc-revoked/revoke");
  CHECK(again.status == 400);
  CHECK(again.field("message") == "certificate is already revoked");
  CHECK(all.call("POST", "/api/v1/certificates/mc-revoked/renew").field("message") == "cannot renew revoked certificate; reissue instead");
  const auto row = all.ask("GET", "/certificates/mc-revoked");
  CHECK(json::text_or(row, "status") == "Revoked");
  CHECK(json::text_or(row, "revocation_reason") == "keyCompromise");
  CHECK(all.audited("certificate_revoked", "mc-revoked"));
}

TEST_CASE("a job that nobody can do says so and is given to the agent whose target is mapped later") {
  auto& all = shared();
  all.ask("POST", "/certificates", R"({"id":"mc-later","name":"mc-later","common_name":"localhost","owner_id":"o-1","team_id":"t-1",
                                       "issuer_id":"iss-1","renewal_policy_id":"rp-1"})");
  const auto answer = all.call("POST", "/api/v1/certificates/mc-later/renew");
  REQUIRE(answer.status == 202);
  CHECK_THAT(answer.text, Catch::Contains("nobody can generate its key"));
  all.ask("PUT", "/certificates/mc-later", R"({"target_ids":["tgt-1"]})");
  INFO(all.logs());
  CHECK(all.wait_served("mc-later"));
}

TEST_CASE("requests that are wrong get an answer that says what and where") {
  auto& all = shared();
  struct Case {
    const char *method, *path, *body;
    int status;
    const char* text;
  };
  const Case cases[] = {
      {"POST", "/api/v1/certificates", "{\"name\": }", 400, "line 1, column 10"},
      {"POST", "/api/v1/certificates", "{\"common_name\":7}", 400, "common_name must be a string, not number"},
      {"POST", "/api/v1/certificates", "{}", 400, "common_name is required"},
      {"POST", "/api/v1/certificates", "{\"common_name\":\"a_b!.example\",\"name\":\"x\"}", 400, "invalid hostname format"},
      {"GET", "/api/v1/certificates/unknown", "", 404, "Certificate not found"},
      {"GET", "/api/v1/nothing", "", 404, "no such endpoint"},
      {"PATCH", "/api/v1/teams", "{}", 405, "Method not allowed"},
      {"POST", "/api/v1/teams", "{\"name\":\"Platform\"}", 409, "already exists"},
      {"PUT", "/api/v1/certificates/mc-first", "{\"status\":\"Revoked\"}", 409, "use POST /api/v1/certificates/{id}/revoke"},
      {"DELETE", "/api/v1/teams/t-1", "", 409, "still belong to it"},
      {"POST", "/api/v1/agents/ag-1/csr", "{\"csr_pem\":\"x\",\"certificate_id\":\"mc-first\"}", 400, "PEM-encoded certificate request"},
      {"POST", "/api/v1/agents/ag-none/heartbeat", "{}", 404, "Agent not found"},
      {"POST", "/api/v1/jobs/none/cancel", "", 404, "Job not found"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.method, c.path, c.body);
    const auto answer = all.call(c.method, c.path, c.body);
    CHECK(answer.status == c.status);
    CHECK_THAT(answer.text, Catch::Contains(c.text));
    CHECK_THAT(answer.text, Catch::Contains("request_id"));
  }
  CHECK(all.call("PATCH", "/api/v1/teams", "{}").headers.has("Allow"));
  const auto unknown = all.call("GET", "/api/v1/teams", "", "wrong-key");
  CHECK(unknown.status == 401);
  CHECK(unknown.headers.has("WWW-Authenticate"));
  CHECK(all.call("POST", "/api/v1/teams", "{\"name\":\"" + std::string(1024 * 1024, 'x') + "\"}").status == 413);
}

TEST_CASE("a CSR with other names is refused with the reason, and the job records it") {
  auto& all = shared();
  // The agent is told of one name; the certificate gets another before the CSR comes.
  all.ask("POST", "/agents", R"({"id":"ag-hand","name":"by-hand","hostname":"localhost"})");
  all.ask("POST", "/targets", R"({"id":"tgt-hand","name":"hand","type":"NGINX","agent_id":"ag-hand","config":{"cert_path":"/nowhere/c.pem"}})");
  all.ask("POST", "/certificates", R"({"id":"mc-hand","name":"mc-hand","common_name":"right.example.com","owner_id":"o-1","team_id":"t-1",
                                       "issuer_id":"iss-1","renewal_policy_id":"rp-1","target_ids":["tgt-hand"]})");
  REQUIRE(all.jobs("mc-hand", "Issuance").size() == 1);
  const std::string pem = []() {
    std::string out;
    FILE* pipe = ::popen("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj /CN=wrong.example.com 2>/dev/null", "r");
    char buffer[512];
    while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) out += buffer;
    ::pclose(pipe);
    return out;
  }();
  json::Writer body;
  body.begin_object().field("csr_pem", pem).field("certificate_id", "mc-hand").end_object();
  const auto answer = all.call("POST", "/api/v1/agents/ag-hand/csr", body.take());
  CHECK(answer.status == 400);
  CHECK_THAT(answer.text, Catch::Contains("CSR names (wrong.example.com) are not those of the certificate (right.example.com)"));
  CHECK_THAT(all.last_error("mc-hand", "Issuance"), Catch::StartsWith("CSR validation failed: "));
  CHECK(json::text_or(all.ask("GET", "/certificates/mc-hand"), "status") == "Failed");
}

TEST_CASE("a retired agent is answered 410 and ends with status 0") {
  auto& all = shared();
  CHECK(all.call("DELETE", "/api/v1/agents/ag-1").status == 409);
  CHECK(all.call("DELETE", "/api/v1/agents/ag-1?force=true").status == 400);
  const auto retired = all.call("DELETE", "/api/v1/agents/ag-1?force=true&reason=moved");
  CHECK(retired.status == 200);
  CHECK(json::flag_or(retired.body(), "cascade", false));
  CHECK(all.call("POST", "/api/v1/agents/ag-1/heartbeat", "{}").status == 410);
  CHECK(all.call("GET", "/api/v1/agents/ag-1/work").status == 410);
  CHECK(all.call("DELETE", "/api/v1/agents/ag-1?force=true&reason=moved").status == 204);
  INFO(all.logs());
  CHECK(all.agent().wait(40s) == 0);
}
