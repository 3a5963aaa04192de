#include "local_test_support.hpp"

using namespace certctl;
using namespace certctl::local_test;
using Catch::Matchers::Contains;
using plugin::Outcome;
using plugin::Status;

namespace {

Time at(std::int64_t seconds_after_now) { return kNow + std::chrono::seconds(seconds_after_now); }

std::string text_of(const crypto::Certificate& leaf) {
  const Scratch scratch;
  return openssl("x509 -noout -text -in " + scratch.write("leaf.pem", leaf.pem()));
}

}  // namespace

TEST_CASE("openssl verifies a leaf of every CA key algorithm, with strict rules") {
  for (const char* algorithm : {"ECDSA-P256", "ECDSA-P384", "RSA-2048", "RSA-3072"}) {
    LocalCa local(algorithm);
    const auto leaf = local.leaf(local.call(csr()));
    const Scratch scratch;
    const std::string root = scratch.write("root.pem", local.keys->ca().certificate.pem());
    CHECK_THAT(
        openssl("verify -x509_strict -attime 1767323045 -purpose sslserver -verify_hostname www.example.com -CAfile " +
                root + " " + scratch.write("leaf.pem", leaf.pem())),
        Contains("OK"));
  }
}

TEST_CASE("a leaf has the fields of RFC 5280 and nothing else") {
  LocalCa local;
  const auto leaf = local.leaf(local.call(csr({"www.example.com", "192.0.2.7", "2001:db8::1"})));
  const std::string text = text_of(leaf);
  CHECK_THAT(text, Contains("Version: 3 (0x2)") && Contains("Signature Algorithm: ecdsa-with-SHA256"));
  CHECK_THAT(text, Contains("4a:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:01"));
  CHECK_THAT(text,
             Contains("Not Before: Jan  2 03:03:05 2026 GMT") && Contains("Not After : Apr  2 03:04:05 2026 GMT"));
  CHECK_THAT(text, Contains("X509v3 Key Usage: critical\n                Digital Signature\n"));
  CHECK_THAT(text, Contains("TLS Web Server Authentication, TLS Web Client Authentication"));
  CHECK_THAT(text, Contains("DNS:www.example.com, IP Address:192.0.2.7, IP Address:2001:DB8:0:0:0:0:0:1"));
  for (const char* absent :
       {"Basic Constraints", "CRL Distribution", "Authority Information", "TLS Feature", "Policies"}) {
    CHECK_THAT(text, !Contains(absent));
  }
  CHECK(leaf.subject_key_identifier() == leaf.public_key().key_identifier());
  CHECK(leaf.authority_key_identifier() == local.keys->ca().certificate.subject_key_identifier());
  CHECK(leaf.issuer_der() == local.keys->ca().certificate.subject_der());
}

TEST_CASE("an RSA leaf may encipher keys, an EC leaf only in compatibility mode") {
  LocalCa local;
  CHECK_THAT(text_of(local.leaf(local.call(csr({"a.example"}, "a.example", "RSA-2048")))),
             Contains("Digital Signature, Key Encipherment"));
  LocalCa compat("ECDSA-P256", R"({"key_usage_compat": true})");
  CHECK_THAT(text_of(compat.leaf(compat.call(csr()))), Contains("Digital Signature, Key Encipherment"));
}

TEST_CASE("addresses for revocation checking come from the request, else from the issuer") {
  LocalCa local("ECDSA-P256", R"({"crl_distribution_point_urls": ["http://crl.example/a", "http://crl.example/b"],
                                  "ocsp_urls": ["http://ocsp.example"], "ca_issuers_urls": ["http://ca.example/ca.crt"]})");
  const std::string own = text_of(local.leaf(local.call(csr())));
  CHECK_THAT(own, Contains("URI:http://crl.example/a\n                  URI:http://crl.example/b"));
  CHECK_THAT(own,
             Contains("OCSP - URI:http://ocsp.example\n                CA Issuers - URI:http://ca.example/ca.crt"));
  plugin::Call call = local.call(csr());
  call.in.add(CERTCTL_KEY_CRL_URL, "http://pki.example/crl").add(CERTCTL_KEY_OCSP_URL, "http://pki.example/ocsp");
  const std::string sent = text_of(local.leaf(std::move(call)));
  CHECK_THAT(sent,
             Contains("http://pki.example/crl") && Contains("http://pki.example/ocsp") && !Contains("crl.example/a"));
}

TEST_CASE("must-staple and policies become extensions") {
  LocalCa local("ECDSA-P256", R"({"ocsp_urls": ["http://ocsp.example"], "include_basic_constraints": true})");
  plugin::Call call = local.call(csr());
  call.in.add_int(CERTCTL_KEY_MUST_STAPLE, 1).add(CERTCTL_KEY_POLICY_OID, "2.23.140.1.2.1");
  const std::string text = text_of(local.leaf(std::move(call)));
  CHECK_THAT(text, Contains("TLS Feature: \n                status_request"));
  CHECK_THAT(text, Contains("Policy: 2.23.140.1.2.1"));
  CHECK_THAT(text, Contains("Basic Constraints: critical\n                CA:FALSE"));
}

TEST_CASE("must-staple without an OCSP address is refused") {
  LocalCa local;
  plugin::Call call = local.call(csr());
  call.in.add_int(CERTCTL_KEY_MUST_STAPLE, 1);
  CHECK_THAT(local.refusal(std::move(call)), Contains("must-staple needs an OCSP address"));
}

TEST_CASE("a leaf ends at the least of validity, cap and the CA's own end") {
  LocalCa local("ECDSA-P256", R"({"validity_days": 10})");
  const auto end = [&](std::uint32_t key, std::int64_t seconds) {
    plugin::Call call = local.call(csr());
    if (seconds > 0) call.in.add_int(key, seconds);
    return local.leaf(std::move(call)).not_after();
  };
  CHECK(end(CERTCTL_KEY_MAX_TTL_S, 0) == at(10 * 86400));
  CHECK(end(CERTCTL_KEY_MAX_TTL_S, 3600) == at(3600 - 60));
  CHECK(end(CERTCTL_KEY_MAX_TTL_S, 11 * 86400) == at(10 * 86400));
  CHECK(end(CERTCTL_KEY_VALIDITY_S, 7200) == at(7200 - 60));
  LocalCa brief(crypto::make_root({"Brief", "ECDSA-P256", std::chrono::days(30)}, kNow), R"({"validity_days": 365})");
  CHECK(brief.leaf(brief.call(csr())).not_after() == brief.keys->ca().certificate.not_after());
}

TEST_CASE("an expired CA issues nothing") {
  LocalCa local(crypto::make_root({"Gone", "ECDSA-P256", std::chrono::days(1)}, kNow - std::chrono::hours(48)));
  const Outcome outcome = local.issue(local.call(csr()));
  CHECK(outcome.status == Status::conflict);
  CHECK_THAT(outcome.text, Contains("CA expired: CA certificate \"Gone\" has expired"));
}

TEST_CASE("extended key usages are the request's") {
  LocalCa local;
  const auto with = [&](std::vector<std::string> ekus, std::vector<std::string> sans = {"www.example.com"}) {
    plugin::Call call = local.call(csr(std::move(sans)));
    call.in.add_texts(CERTCTL_KEY_EKU, ekus);
    return call;
  };
  CHECK(local.leaf(with({"1.3.6.1.5.5.7.3.1"})).extended_key_usages() == std::vector<std::string>{"1.3.6.1.5.5.7.3.1"});
  CHECK_THAT(text_of(local.leaf(with({"timeStamping"}))), Contains("Extended Key Usage: critical"));
  CHECK_THAT(text_of(local.leaf(with({"emailProtection"}, {"ops@example.com"}))),
             Contains("Digital Signature, Non Repudiation"));
  CHECK(local.refusal(with({"teleport"})) == "unknown EKU \"teleport\"");
  CHECK_THAT(local.refusal(with({"timeStamping", "serverAuth"})), Contains("must be the only one"));
  CHECK_THAT(local.refusal(with({"2.5.29.37.0"})), Contains("not for leaf"));
  CHECK_THAT(local.refusal(with({"emailProtection"})), Contains("needs an e-mail address"));
}

TEST_CASE("the chain ends in its root unless the issuer leaves that out") {
  LocalCa local;
  const Outcome with_root = local.issue(local.call(csr()));
  CHECK(with_root.out.count(CERTCTL_KEY_CERTIFICATES) == 2);
  CHECK(with_root.out.texts(CERTCTL_KEY_CERTIFICATES)[1] == local.keys->ca().certificate.pem());
  CHECK(with_root.out.text(CERTCTL_KEY_ORDER_ID) == "local-" + std::string(kSerial));
  LocalCa bare("ECDSA-P256", R"({"chain_include_root": "false"})");
  CHECK(bare.issue(bare.call(csr())).out.count(CERTCTL_KEY_CERTIFICATES) == 1);
}

TEST_CASE("a signature that does not verify never leaves") {
  LocalCa local;
  local.keys->broken = true;
  const Outcome outcome = local.issue(local.call(csr()));
  CHECK(outcome.status == Status::internal);
  CHECK_THAT(outcome.text, Contains("does not verify with the CA certificate"));
  CHECK(outcome.out.empty());
}

TEST_CASE("a reference to an unknown CA key is refused") {
  LocalCa local;
  plugin::Call call;
  call.in.add(CERTCTL_KEY_CSR_PEM, csr())
      .add(CERTCTL_KEY_SERIAL, kSerial)
      .add_int(CERTCTL_KEY_NOT_BEFORE, 0)
      .add(CERTCTL_KEY_CA_REF, "ca-2");
  CHECK(local.issue(std::move(call)).text == "no such CA key");
}

TEST_CASE("the core's serial and date are required") {
  LocalCa local;
  plugin::Call bare;
  bare.in.add(CERTCTL_KEY_CSR_PEM, csr());
  CHECK_THAT(local.refusal(std::move(bare)), Contains("serial is missing"));
  plugin::Call undated;
  undated.in.add(CERTCTL_KEY_CSR_PEM, csr()).add(CERTCTL_KEY_SERIAL, kSerial);
  CHECK_THAT(local.refusal(std::move(undated)), Contains("not_before is missing"));
  plugin::Call long_serial = local.call(csr());
  long_serial.in = {};
  long_serial.in.add(CERTCTL_KEY_CSR_PEM, csr())
      .add(CERTCTL_KEY_SERIAL, std::string(40, 'f'))
      .add_int(CERTCTL_KEY_NOT_BEFORE, 1767323045000);
  CHECK_THAT(local.refusal(std::move(long_serial)), Contains("20 octets at most"));
}

TEST_CASE("lookup knows that nothing was released, revocation needs no call") {
  LocalCa local;
  CHECK(local.instance->call("lookup", local.call(csr())).status == Status::not_found);
  plugin::Call revoke;
  revoke.in.add(CERTCTL_KEY_REVOKED_SERIAL, kSerial).add_int(CERTCTL_KEY_REASON, 1);
  const Outcome revoked = local.instance->call("revoke", std::move(revoke));
  CHECK(revoked.done());
  CHECK(revoked.out.integer(CERTCTL_KEY_REASON_SENT) == 1);
  CHECK_FALSE(local.instance->supports("poll"));
}

TEST_CASE("the test reports key, match and expiry, also for a row without validity_days") {
  LocalCa local;
  const Outcome outcome = local.instance->call("test", {});
  REQUIRE(outcome.done());
  std::string findings;
  for (const auto& finding : outcome.findings()) findings += finding.text + "\n";
  CHECK_THAT(findings, Contains("can be reached") && Contains("matches") && Contains("the CA key signs") &&
                           Contains("\"Test Root\" ends"));
}

TEST_CASE("both CA files are needed, or neither") {
  LocalCa local;
  const auto findings = local.host.get("issuer", "genericca").validate(json::raw(R"({"ca_cert_path": "/ca.pem"})"));
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].text == "ca_cert_path and ca_key_path must both be set for sub-CA mode");
  CHECK(local.host.get("issuer", "genericca").validate(json::raw("{}")).empty());
}
