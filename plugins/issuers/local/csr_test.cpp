#include "local_test_support.hpp"

using namespace certctl;
using namespace certctl::local_test;
using Catch::Matchers::Contains;

namespace {

/// A CSR made by the openssl command line with this extension section and subject.
std::string openssl_csr(const std::string& subject, const std::string& san,
                        const std::string& key_options = "-newkey ec -pkeyopt ec_paramgen_curve:P-256") {
  const Scratch scratch;
  const std::string config = scratch.write("req.cnf",
                                           "[req]\ndistinguished_name=dn\nreq_extensions=ext\nstring_mask=utf8only\n"
                                           "oid_section=oids\n[oids]\n[dn]\n[ext]\nbasicConstraints=CA:TRUE\n" +
                                               (san.empty() ? "" : "subjectAltName=" + san + "\n"));
  return openssl("req -new -utf8 -nodes " + key_options + " -keyout /dev/null -config " + config + " -subj '" +
                 subject + "' -out " + scratch.path("r.pem") + " && cat " + scratch.path("r.pem"));
}

std::string pem_only(const std::string& text) { return text.substr(text.find("-----BEGIN")); }

std::vector<std::string> names(const crypto::Certificate& leaf) { return crypto::san_texts(leaf.sans()); }

}  // namespace

TEST_CASE("bad requests are refused with the reason") {
  LocalCa local;
  const auto reason = [&](const std::string& pem) { return local.refusal(local.call(pem)); };
  const std::string good = csr();
  CHECK(reason("") == "invalid CSR PEM format");
  CHECK(reason("not a request") == "invalid CSR PEM format");
  CHECK(reason(good + good) == "invalid CSR PEM format");
  CHECK(reason(local.keys->ca().certificate.pem()) == "invalid CSR PEM format");
  CHECK_THAT(reason("-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n"),
             Contains("invalid CSR: "));

  const auto with_der = [&](auto change) {
    Bytes der = crypto::CertificateRequest::from_pem(good).der();
    change(der);
    return reason(crypto::write_pem("CERTIFICATE REQUEST", der));
  };
  CHECK(with_der([](Bytes& der) { der.back() ^= 1; }) == "CSR signature verification failed");
  CHECK(with_der([](Bytes& der) { der.push_back(0); }) == "invalid CSR: trailing bytes");
  CHECK_THAT(with_der([](Bytes& der) { der.resize(der.size() / 2); }), Contains("invalid CSR: "));
}

TEST_CASE("the old PEM label is taken, too") {
  LocalCa local;
  const Bytes der = crypto::CertificateRequest::from_pem(csr()).der();
  CHECK_NOTHROW(local.leaf(local.call(crypto::write_pem("NEW CERTIFICATE REQUEST", der))));
}

TEST_CASE("weak and foreign keys are refused") {
  LocalCa local;
  const auto reason = [&](const std::string& key_options) {
    return local.refusal(local.call(pem_only(openssl_csr("/CN=a.example", "", key_options))));
  };
  CHECK_THAT(reason("-newkey rsa:1024"), Contains("RSA 1024-bit"));
  CHECK_THAT(reason("-newkey rsa:2048 -pkeyopt rsa_keygen_pubexp:3"), Contains("exponent of 65537"));
  CHECK_THAT(reason("-newkey ec -pkeyopt ec_paramgen_curve:secp256k1"), Contains("curve secp256k1"));
  CHECK_THAT(reason("-newkey ed448"), Contains("type ED448"));
}

TEST_CASE("P-384, P-521 and Ed25519 keys are certified") {
  LocalCa local;
  for (const char* algorithm : {"ECDSA-P384", "ECDSA-P521", "Ed25519"}) {
    CHECK(local.leaf(local.call(csr({"a.example"}, "a.example", algorithm))).public_key().name() == algorithm);
  }
}

TEST_CASE("names come from the request in its order, then from the certificate, each once") {
  LocalCa local;
  plugin::Call call = local.call(csr({"b.example", "10.0.0.1", "a.example"}, "b.example"));
  call.in.add(CERTCTL_KEY_COMMON_NAME, "b.example")
      .add(CERTCTL_KEY_SAN_DNS, "A.example")
      .add(CERTCTL_KEY_SAN_DNS, "c.example.")
      .add(CERTCTL_KEY_SAN_IP, "::ffff:10.0.0.1")
      .add(CERTCTL_KEY_SAN_EMAIL, "ops@example.com")
      .add(CERTCTL_KEY_SAN_URI, "spiffe://example.org/web");
  CHECK(names(local.leaf(std::move(call))) == std::vector<std::string>{"b.example", "10.0.0.1", "a.example",
                                                                       "c.example", "ops@example.com",
                                                                       "spiffe://example.org/web"});
}

TEST_CASE("a common name that is a host name becomes the first SAN, localhost stays a name") {
  LocalCa local;
  CHECK(names(local.leaf(local.call(pem_only(openssl_csr("/CN=lead.example", "DNS:other.example"))))) ==
        std::vector<std::string>{"lead.example", "other.example"});
  CHECK(names(local.leaf(local.call(pem_only(openssl_csr("/CN=localhost", ""))))) ==
        std::vector<std::string>{"localhost"});
  CHECK(names(local.leaf(local.call(pem_only(openssl_csr("/CN=Printer 7", ""))))).empty());
}

TEST_CASE("names that are none are refused") {
  LocalCa local;
  const auto reason = [&](std::uint32_t key, std::string_view name) {
    plugin::Call call = local.call(csr());
    call.in.add(key, name);
    return local.refusal(std::move(call));
  };
  for (const char* name : {"*.*.example.com", "foo.*", "a..b", "192.168.1.300", "-a.example", "ex ample.com", ""}) {
    CHECK_THAT(reason(CERTCTL_KEY_SAN_DNS, name), Contains("is not a DNS name"));
  }
  CHECK_THAT(reason(CERTCTL_KEY_SAN_DNS, std::string(64, 'a') + ".example"), Contains("is not a DNS name"));
  CHECK_THAT(reason(CERTCTL_KEY_SAN_DNS, "пример"), Contains("A-label"));
  CHECK_THAT(reason(CERTCTL_KEY_SAN_IP, "10.0.0"), Contains("is not an IP address"));
  CHECK_THAT(reason(CERTCTL_KEY_SAN_EMAIL, "a@b@c"), Contains("is not an e-mail address"));
  CHECK_THAT(reason(CERTCTL_KEY_SAN_URI, "no-scheme"), Contains("is not a URI"));
  CHECK_THAT(reason(CERTCTL_KEY_SAN_URI, "spiffe://Example.org/x"), Contains("is not a SPIFFE ID"));
  CHECK_THAT(reason(CERTCTL_KEY_SAN_URI, "spiffe://example.org/a/"), Contains("is not a SPIFFE ID"));
}

TEST_CASE("a comma in a name cannot smuggle in another name") {
  LocalCa local;
  plugin::Call call = local.call(csr());
  call.in.add(CERTCTL_KEY_SAN_URI, "https://a.example/x,DNS:evil.example");
  CHECK(names(local.leaf(std::move(call))) ==
        std::vector<std::string>{"www.example.com", "https://a.example/x,DNS:evil.example"});
}

TEST_CASE("a thousand names are the limit") {
  LocalCa local;
  const auto with = [&](int count) {
    plugin::Call call = local.call(csr());
    for (int i = 1; i < count; ++i) call.in.add(CERTCTL_KEY_SAN_DNS, "n" + std::to_string(i) + ".example");
    return call;
  };
  CHECK(names(local.leaf(with(1000))).size() == 1000);
  CHECK_THAT(local.refusal(with(1001)), Contains("1000 names at most"));
}

TEST_CASE("names that pass for others are refused with the character and its place") {
  LocalCa local;
  CHECK(local.refusal(local.call(pem_only(openssl_csr("/CN=ex\u200bample.com", "")))) ==
        "CSR Subject.CommonName rejected: contains zero-width character U+200B at byte offset 2");
  CHECK(local.refusal(local.call(pem_only(openssl_csr("/CN=p\u0430ypal.com", "")))) ==
        "CSR Subject.CommonName rejected: label \"p\u0430ypal\" mixes ASCII with non-ASCII script character U+0430 at "
        "byte offset 1");
  plugin::Call call = local.call(csr());
  call.in.add(CERTCTL_KEY_SAN_DNS, "a\u202eb.example");
  CHECK(local.refusal(std::move(call)) ==
        "request SANs entry \"a\\u{202e}b.example\" rejected: contains bidirectional override character U+202E at byte "
        "offset 1");
}

TEST_CASE("the subject keeps known attributes and drops others") {
  LocalCa local;
  const std::string pem = pem_only(openssl_csr("/C=DE/O=Example GmbH/OU=Web/postalCode=10115/CN=a.example", ""));
  CHECK(local.leaf(local.call(pem)).subject() == "CN=a.example,OU=Web,O=Example GmbH,C=DE");
}

TEST_CASE("attributes beyond their bounds are refused") {
  LocalCa local;
  CHECK_THAT(local.refusal(local.call(pem_only(openssl_csr("/C=D1/CN=a.example", "")))), Contains("two-letter code"));
}

TEST_CASE("an empty subject makes the names critical") {
  LocalCa local;
  const auto leaf = local.leaf(local.call(pem_only(openssl_csr("/", "DNS:a.example"))));
  CHECK(leaf.is_critical("2.5.29.17"));
}

TEST_CASE("what a request asks for beyond its names is not copied") {
  LocalCa local;
  const auto leaf = local.leaf(local.call(pem_only(openssl_csr("/CN=a.example", "DNS:a.example"))));
  CHECK_FALSE(leaf.is_ca());
  CHECK_FALSE(leaf.has_extension("2.5.29.19"));
}

TEST_CASE("kinds of names that this CA does not certify are refused") {
  LocalCa local;
  CHECK_THAT(local.refusal(local.call(pem_only(openssl_csr("/CN=a.example", "RID:1.2.3.4")))),
             Contains("registeredID"));
}
