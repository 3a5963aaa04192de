#include <catch2/catch.hpp>
#include <spawn.h>

#include "nginx_test_support.hpp"

using namespace certctl;
using namespace certctl::nginx_test;
using plugin::Outcome;
using plugin::Severity;
using plugin::Status;

extern char** environ;

namespace {

struct Site {
  Authority authority;
  Identity old = authority.issue("www.example.com");
  Identity next = authority.issue("www.example.com");
  RealNginx nginx{old};
  Connector connector;
};

std::string fingerprint(const Identity& identity) { return identity.certificate.fingerprint_sha256(); }

bool has_finding(const std::vector<plugin::Finding>& findings, Severity severity, const std::string& part) {
  return std::ranges::any_of(findings, [&](const plugin::Finding& finding) {
    return finding.severity == severity && finding.text.find(part) != std::string::npos;
  });
}

/// Whether the kernel gives this process private mount namespaces.
bool has_namespaces() { return run("unshare --mount true").status == 0; }

}  // namespace

TEST_CASE("a certificate is deployed to nginx and proved to be served") {
  Site site;
  const Outcome outcome = site.connector.deploy(site.nginx, site.next);
  CAPTURE(outcome.text, meta(outcome, "warnings"));
  REQUIRE(outcome.done());
  CHECK(site.nginx.served() == fingerprint(site.next));
  CHECK(site.nginx.holds(site.next));
  CHECK(meta(outcome, "verification_status") == "success");
  CHECK(meta(outcome, "verification_endpoint") == "127.0.0.1:" + std::to_string(site.nginx.port()));
  CHECK(meta(outcome, "validate_mode") == (has_namespaces() ? "namespace" : "before_and_after_commit"));
  CHECK(meta(outcome, "previous_fingerprint_sha256") == fingerprint(site.old));
  CHECK(meta(outcome, "idempotent") == "false");
  CHECK(outcome.out.text(CERTCTL_KEY_DEPLOYMENT_ID).starts_with("nginx-"));
  CHECK(outcome.out.text(CERTCTL_KEY_STAGE) == "verify");
  CHECK_FALSE(site.connector.token.empty());
  CHECK(meta(site.connector.deploy(site.nginx, site.next), "idempotent") == "true");
}

TEST_CASE("an RSA certificate takes the place of an ECDSA one") {
  Site site;
  const Identity rsa = site.authority.issue("www.example.com", "RSA-2048");
  const Outcome outcome = site.connector.deploy(site.nginx, rsa);
  CAPTURE(outcome.text);
  REQUIRE(outcome.done());
  CHECK(site.nginx.served() == fingerprint(rsa));
}

TEST_CASE("a key of another certificate is refused and the old certificate is still served") {
  Site site;
  Identity mixed = site.next;
  mixed.key = site.old.key;
  const Outcome outcome = site.connector.deploy(site.nginx, mixed);
  CHECK(outcome.status == Status::invalid_request);
  CHECK_THAT(outcome.text, Catch::StartsWith("private key does not belong to certificate www.example.com"));
  CHECK(outcome.out.text(CERTCTL_KEY_STAGE) == "material");
  CHECK(site.nginx.served() == fingerprint(site.old));
  CHECK(site.nginx.holds(site.old));
}

TEST_CASE("a pair that nginx itself would refuse is found before the commit") {
  // The key file is not the connector's: nginx would be left with a new certificate and an old key.
  Site site;
  const std::string settings = site.nginx.settings();
  const std::string without_key =
      "{\"cert_path\"" + settings.substr(settings.find(':'))
                             .replace(settings.find(",\"key_path\"") - settings.find(':'),
                                      settings.find(",\"validate") - settings.find(",\"key_path\""), "");
  const Outcome outcome = site.connector.call("deploy", without_key, Connector::material(site.nginx, site.next));
  CHECK_FALSE(outcome.done());
  CHECK_THAT(outcome.text,
             Catch::StartsWith("deploy: validate (PreCommit) failed: nginx -t failed: exit status 1 (output: "));
  CHECK_THAT(outcome.text, Catch::Contains("key values mismatch"));
  CHECK(site.nginx.served() == fingerprint(site.old));
  CHECK(site.nginx.holds(site.old));
  CHECK(site.nginx.names("certctl").empty());
}

TEST_CASE("a broken nginx configuration leaves the old certificate and says why") {
  Site site;
  site.nginx.write("conf.d/broken.conf", "server { listen nonsense; no_such_directive on; }\n");
  const Outcome outcome = site.connector.deploy(site.nginx, site.next);
  CHECK_FALSE(outcome.done());
  CHECK_THAT(outcome.text, Catch::StartsWith("deploy: validate (PreCommit) failed: nginx -t failed") &&
                               Catch::Contains("broken.conf"));
  CHECK(outcome.out.text(CERTCTL_KEY_STAGE) == "pre_commit");
  CHECK(site.nginx.served() == fingerprint(site.old));
  CHECK(site.nginx.holds(site.old));
  CHECK(site.nginx.names("certctl").empty());
}

TEST_CASE("with a dead master the old files come back and a person is asked for") {
  Site site;
  site.nginx.stop();
  const Outcome outcome = site.connector.deploy(site.nginx, site.next);
  CHECK_FALSE(outcome.done());
  CHECK_THAT(outcome.text,
             Catch::StartsWith("deploy: reload failed AND rollback also failed; manual intervention required: "
                               "nginx -s reload failed: exit status 1"));
  CHECK(meta(outcome, "manual_action_required") == "true");
  CHECK(site.nginx.holds(site.old));
  site.nginx.start();
  REQUIRE(site.connector.deploy(site.nginx, site.next).done());
  CHECK(site.nginx.served() == fingerprint(site.next));
}

TEST_CASE("an endpoint that serves another certificate undoes the deployment") {
  Site site;
  const RealNginx elsewhere(site.old);
  std::string settings = site.nginx.settings();
  const std::string delay = R"("delay":"100ms")";
  settings.replace(settings.find(delay), delay.size(),
                   fmt::format(R"("delay":"100ms","endpoint":"127.0.0.1:{}")", elsewhere.port()));
  settings.replace(settings.find(":25"), 3, ":2");
  const Outcome outcome = site.connector.call("deploy", settings, Connector::material(site.nginx, site.next));
  CHECK_FALSE(outcome.done());
  CHECK(outcome.text == "post-deploy TLS verify SHA-256 mismatch: got " + fingerprint(site.old) + ", want " +
                            fingerprint(site.next) + "; rolled back");
  CHECK(meta(outcome, "rolled_back") == "true");
  CHECK(site.nginx.holds(site.old));
  CHECK(eventually([&] { return site.nginx.served() == fingerprint(site.old); }));
}

TEST_CASE("a reload that hangs is ended and undone, even when the call's time is up") {
  Site site;
  site.nginx.write("hang.sh", "#!/bin/sh\n[ \"$CERTCTL_PHASE\" = rollback ] && exit 0\nexec sleep 60\n", 0755);
  std::string settings = site.nginx.settings(R"(,"reload_timeout":"500ms")");
  const auto at = settings.find(R"("reload_command":")") + 18;
  settings.replace(at, settings.find('"', at) - at, site.nginx.path("hang.sh"));
  const Outcome outcome = site.connector.call("deploy", settings, Connector::material(site.nginx, site.next));
  CHECK_THAT(outcome.text,
             Catch::StartsWith("deploy: reload (PostCommit) failed; rolled back: nginx -s reload failed: timed out"));
  CHECK(site.nginx.holds(site.old));
}

TEST_CASE("the first deployment makes files that did not exist") {
  Site site;
  const std::string more = fmt::format(R"(,"chain_path":"{}")", site.nginx.path("tls/chain.pem"));
  const Outcome outcome = site.connector.deploy(site.nginx, site.next, more);
  CAPTURE(outcome.text);
  REQUIRE(outcome.done());
  CHECK(site.nginx.read("tls/chain.pem") == site.next.chain.front().pem());
  CHECK(meta(outcome, "validate_mode") == "before_and_after_commit");
}

TEST_CASE("links survive and old backups are pruned") {
  Site site;
  std::filesystem::create_directories(site.nginx.path("real"));
  std::filesystem::rename(site.nginx.path("tls/cert.pem"), site.nginx.path("real/cert.pem"));
  std::filesystem::create_symlink(site.nginx.path("real/cert.pem"), site.nginx.path("tls/cert.pem"));
  const std::string more = R"(,"backup_retention":1)";
  for (const Identity* identity : {&site.next, &site.old, &site.next}) {
    REQUIRE(site.connector.deploy(site.nginx, *identity, more).done());
  }
  CHECK(std::filesystem::is_symlink(site.nginx.path("tls/cert.pem")));
  CHECK(site.nginx.served() == fingerprint(site.next));
  CHECK(site.nginx.names("key.pem.certctl-bak").size() == 1);
  CHECK(site.nginx.names("cert.pem.certctl-bak").empty());
}

TEST_CASE("a folder that cannot be written is named") {
  Site site;
  const std::string settings = R"({"cert_path":"/proc/certctl.pem","key_path":"/proc/certctl.key"})";
  const Outcome outcome = site.connector.call("deploy", settings, Connector::material(site.nginx, site.next));
  CHECK_FALSE(outcome.done());
  CHECK_THAT(outcome.text, Catch::Contains("/proc/certctl.pem"));
  CHECK(outcome.out.text(CERTCTL_KEY_STAGE) == "stage");
}

TEST_CASE("a deployment is undone by its checkpoint") {
  Site site;
  REQUIRE(site.connector.deploy(site.nginx, site.next).done());
  plugin::Fields in;
  in.add(CERTCTL_KEY_STATE_DIR, site.nginx.path("state"))
      .add_bytes(CERTCTL_KEY_CHECKPOINT, as_bytes(site.connector.token));
  const Outcome outcome = site.connector.call("rollback", site.nginx.settings(), std::move(in));
  CAPTURE(outcome.text);
  REQUIRE(outcome.done());
  CHECK(site.nginx.holds(site.old));
  CHECK(site.nginx.served() == fingerprint(site.old));
}

TEST_CASE("what is installed can be asked for and compared") {
  Site site;
  const Outcome current = site.connector.call("current", site.nginx.settings(), {});
  REQUIRE(current.done());
  CHECK(to_hex(current.out.bytes(CERTCTL_KEY_SHA256)) == fingerprint(site.old));
  CHECK(current.out.text(CERTCTL_KEY_INSTALLED_SERIAL) == site.old.certificate.serial());

  const auto verify = [&](const Identity& expected) {
    plugin::Fields in;
    in.add_bytes(CERTCTL_KEY_EXPECTED_SHA256, from_hex(fingerprint(expected)).value());
    return site.connector.call("verify", site.nginx.settings(), std::move(in)).out.integer_or(CERTCTL_KEY_VALID, -1);
  };
  CHECK(verify(site.old) == 1);
  CHECK(verify(site.next) == 0);
  site.nginx.write("conf.d/broken.conf", "nonsense\n");
  CHECK(verify(site.old) == 0);
  std::filesystem::remove(site.nginx.path("tls/cert.pem"));
  CHECK(site.connector.call("current", site.nginx.settings(), {}).status == Status::not_found);
}

TEST_CASE("a dry run tries the new certificate in nginx without touching the old one") {
  if (!has_namespaces()) {
    WARN("no private mount namespaces here: a dry run answers not_supported");
  }
  Site site;
  const Outcome outcome =
      site.connector.call("dry_run", site.nginx.settings(), Connector::material(site.nginx, site.next));
  CHECK(outcome.status == (has_namespaces() ? Status::ok : Status::not_supported));
  CHECK(site.nginx.holds(site.old));
  CHECK(site.nginx.names("certctl").empty());
}

TEST_CASE("the test names the endpoint that nginx's own configuration tells") {
  Site site;
  const auto findings = [&] { return site.connector.call("test", site.nginx.settings(), {}).findings(); };
  const std::string derived = "verified at 127.0.0.1:" + std::to_string(site.nginx.port());
  CHECK(has_finding(findings(), Severity::good, derived));
  CHECK(has_finding(findings(), Severity::good, "accepts the present configuration"));
  CHECK(has_finding(findings(), Severity::good, "tls/key.pem can be written"));

  site.nginx.write(
      "conf.d/plain.conf",
      fmt::format("server {{ listen 127.0.0.1:{}; server_name \"a b\"; if ($host ~ \"x{{2}}\") {{ return 404; }} }}\n",
                  free_port()));
  CHECK(has_finding(findings(), Severity::good, derived));
  site.nginx.write("conf.d/second.conf", fmt::format("server {{ listen *:{} ssl; include tls.inc; }}\n", free_port()));
  CHECK(has_finding(findings(), Severity::warning, "none could be derived"));
  site.nginx.write("conf.d/broken.conf", "nonsense\n");
  CHECK(has_finding(findings(), Severity::bad, "nginx -t failed"));
}

TEST_CASE("settings that the schema cannot judge are all found at once") {
  const Connector connector;
  const auto findings = connector.validate(
      R"({"cert_path":"relative","validate_command":"nginx -t; rm","reload_command":"kill *","cert_file_mode":644,)"
      R"("key_file_mode":"0644","post_deploy_verify":{"endpoint":"a b"},"reload_timeout":"soon"})");
  CHECK(has_finding(findings, Severity::bad, "cert_path: path is not absolute"));
  CHECK(has_finding(findings, Severity::bad, "command contains shell metacharacter \";\" (potential injection)"));
  CHECK(has_finding(findings, Severity::warning, "are taken literally"));
  CHECK(has_finding(findings, Severity::bad, "cert_file_mode 644 is not an octal mode; write \"0644\""));
  CHECK(has_finding(findings, Severity::bad, "allow_world_readable_key"));
  CHECK(has_finding(findings, Severity::bad, "is not host:port"));
  CHECK(has_finding(findings, Severity::bad, "reload_timeout is not a duration"));
  CHECK(has_finding(connector.validate("{}"), Severity::bad, "NGINX cert_path is required"));
  CHECK(connector.validate(R"({"cert_path":"/etc/nginx/a.pem","key_file_mode":416})").empty());
}

// Run by the next test as a process of its own, which dies at the file step that CERTCTL_CRASH_AT names.
TEST_CASE("deploys what the environment names", "[.child]") {
  const auto variable = [](const char* name) { return std::string(std::getenv(name)); };
  std::ifstream settings_file(variable("NGINX_TEST_SETTINGS"));
  const std::string settings{std::istreambuf_iterator<char>(settings_file), {}};
  std::ifstream key_file(variable("NGINX_TEST_MATERIAL"));
  const std::string pem{std::istreambuf_iterator<char>(key_file), {}};
  const auto certificates = crypto::parse_pem_certificates(pem);
  const Identity identity{crypto::PrivateKey::from_pem(pem), certificates.at(0), {certificates.at(1)}};
  Connector connector;
  CHECK(connector.call("deploy", settings, Connector::material(variable("NGINX_TEST_STATE"), identity)).done());
}

TEST_CASE("a process killed in the middle leaves a machine that the next deployment settles") {
  for (const std::string step :
       {"deploy.create:6", "deploy.rename:3", "deploy.rename:5", "deploy.rename:6", "deploy.rename:7"}) {
    Site site;
    site.nginx.write("settings.json", site.nginx.settings());
    site.nginx.write("material.pem", key_text(site.next) + site.next.full_pem(), 0600);
    const std::string command = fmt::format(
        "CERTCTL_CRASH_AT={} NGINX_TEST_SETTINGS={} NGINX_TEST_MATERIAL={} NGINX_TEST_STATE={} /proc/{}/exe '[.child]'",
        step, site.nginx.path("settings.json"), site.nginx.path("material.pem"), site.nginx.path("state"), ::getpid());
    const Shell child = run(command);
    CAPTURE(step, child.output);
    REQUIRE(child.status == 137);
    const std::string served = site.nginx.served();
    CHECK((served == fingerprint(site.old) || served == fingerprint(site.next)));
    const Outcome outcome = site.connector.deploy(site.nginx, site.next);
    CAPTURE(outcome.text);
    REQUIRE(outcome.done());
    CHECK(site.nginx.served() == fingerprint(site.next));
    CHECK(site.nginx.holds(site.next));
    CHECK(site.nginx.names("certctl-tmp").empty());
  }
}
