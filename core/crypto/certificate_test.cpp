#include "core/crypto/certificate.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

#include "core/base/error.hpp"
#include "core/base/time.hpp"
#include "core/crypto/certificate_request.hpp"
#include "core/crypto/crypto_test_support.hpp"
#include "core/crypto/self_signed.hpp"
#include "core/crypto/tls_identity.hpp"

using namespace certctl;
using namespace certctl::crypto;
using namespace std::chrono_literals;

namespace {

Time now() { return SystemClock().now(); }

std::string key_text(const PrivateKey& key) {
  return key.to_pem().use([](std::string_view text) { return std::string(text); });
}

}  // namespace

TEST_CASE("a generated root is what the openssl program takes for a CA") {
  const TemporaryFolder folder;
  const Identity root = make_root({.common_name = "Test Root"}, now());
  const auto path = folder.write("root.pem", root.certificate.pem());
  const auto text = run("openssl x509 -in " + path + " -noout -text").output;
  CHECK_THAT(text, Catch::Contains("X509v3 Basic Constraints: critical\n                CA:TRUE\n"));
  CHECK_THAT(text, Catch::Contains("X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign\n"));
  CHECK(run("openssl verify -x509_strict -CAfile " + path + " " + path).status == 0);
  CHECK(root.certificate.is_ca());
  CHECK(root.certificate.is_self_signed());
  CHECK(root.certificate.may_sign_crls());
  CHECK_FALSE(root.certificate.path_length());
  CHECK(root.certificate.subject() == "CN=Test Root");
  CHECK(root.certificate.serial().size() == 40);
  CHECK(root.certificate.subject_key_identifier() == root.key.public_key().key_identifier());
  CHECK(root.certificate.not_after() - root.certificate.not_before() == std::chrono::days(3650));
}

TEST_CASE("a server certificate of a root is verified by the openssl program, for its names only") {
  const TemporaryFolder folder;
  const Identity root = make_root({.key_algorithm = "RSA-2048"}, now());
  const Identity server = issue_server_certificate(root, {.names = {"localhost", "127.0.0.1", "::1"}}, now());
  const auto ca = folder.write("root.pem", root.certificate.pem());
  const auto leaf = folder.write("leaf.pem", server.certificate.pem());
  const std::string verify = "openssl verify -x509_strict -purpose sslserver -CAfile " + ca;
  CHECK(run(verify + " -verify_hostname localhost " + leaf).status == 0);
  CHECK(run(verify + " -verify_ip ::1 " + leaf).status == 0);
  CHECK(run(verify + " -verify_hostname other.example " + leaf).status != 0);
  CHECK(server.certificate.is_issued_by(root.certificate));
  CHECK_FALSE(root.certificate.is_issued_by(server.certificate));
  CHECK(server.certificate.common_name() == "localhost");
  CHECK(san_texts(server.certificate.sans()) == std::vector<std::string>{"localhost", "127.0.0.1", "::1"});
  CHECK(server.certificate.extended_key_usages() == std::vector<std::string>{"1.3.6.1.5.5.7.3.1"});
  CHECK(server.certificate.authority_key_identifier() == root.certificate.subject_key_identifier());
}

TEST_CASE("a certificate reads the same as the openssl program prints it") {
  const TemporaryFolder folder;
  const auto made =
      run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -days 30 -set_serial "
          "0x00ab12 "
          "-subj '/C=DE/O=Ex, Inc./OU=a/OU=b/CN=x.example/emailAddress=a@x.example' "
          "-addext 'subjectAltName=DNS:X.example,IP:192.0.2.7,email:A@X.example,URI:urn:x,otherName:1.2.3.4;UTF8:z' "
          "-addext tlsfeature=status_request -out " +
          folder.file("c.pem"));
  CAPTURE(made.output);
  REQUIRE(made.status == 0);
  const auto certificate = Certificate::from_pem(folder.read("c.pem"));
  CHECK(certificate.subject() ==
        "CN=x.example,OU=a+OU=b,O=Ex\\, Inc.,C=DE,1.2.840.113549.1.9.1=#0c0b6140782e6578616d706c65");
  CHECK(certificate.serial() == "ab12");
  CHECK(san_texts(certificate.sans()) ==
        std::vector<std::string>{"x.example", "192.0.2.7", "A@x.example", "urn:x", "otherName:1.2.3.4"});
  CHECK(certificate.must_staple());
  CHECK(certificate.has_extension("2.5.29.17"));
  CHECK_FALSE(certificate.is_critical("2.5.29.17"));
  const auto fingerprint = run("openssl x509 -in " + folder.file("c.pem") + " -outform DER | sha256sum").output;
  CHECK(certificate.fingerprint_sha256() == fingerprint.substr(0, 64));
  CHECK(certificate.not_after() - certificate.not_before() == std::chrono::days(30));
}

TEST_CASE("certificates are found in any order among junk, and faults are named") {
  const Identity root = make_root({}, now());
  const Identity server = issue_server_certificate(root, {.names = {"a.example"}}, now());
  const std::string junk = "subject=x\r\n" + root.certificate.pem() + "\n\n# comment\n" + key_text(server.key) +
                           server.certificate.pem() + root.certificate.pem();
  const auto certificates = parse_pem_certificates(junk);
  REQUIRE(certificates.size() == 3);
  const Chain chain = sort_chain(server.key.public_key().spki_sha256(), certificates);
  CHECK(chain.leaf == server.certificate);
  REQUIRE(chain.issuers.size() == 1);
  CHECK(chain.issuers.front() == root.certificate);
  CHECK(chain.full_pem() == server.certificate.pem() + root.certificate.pem());
  CHECK_THROWS_WITH(sort_chain(std::string(64, '0'), certificates), Catch::Contains("belongs to the key"));
  CHECK_THROWS_WITH(parse_pem_certificates("nothing"), "no certificate found in PEM");
  CHECK_THROWS_WITH(parse_pem_certificates(write_pem("CERTIFICATE", Bytes{0x30, 0x01, 0x00})),
                    Catch::StartsWith("PEM block 1: not a certificate"));
  Bytes trailing = root.certificate.der();
  trailing.push_back(0);
  CHECK_THROWS_WITH(Certificate::from_der(trailing), "not a certificate: bytes follow it");
}

TEST_CASE("serial numbers are compared in one form") {
  CHECK(canonical_serial("0x00:AB-12 ef") == "ab12ef");
  CHECK(canonical_serial("000") == "0");
  CHECK_FALSE(canonical_serial(""));
  CHECK_FALSE(canonical_serial("xyz"));
}

TEST_CASE("a request carries its names as the openssl program reads them") {
  const TemporaryFolder folder;
  for (const auto algorithm : {"ECDSA-P256", "ECDSA-P384", "RSA-2048", "Ed25519"}) {
    CAPTURE(algorithm);
    const auto key = PrivateKey::generate(algorithm);
    const auto request = build_request(key, {.common_name = "x.example",
                                             .sans = {"y.example", "Y.EXAMPLE", "192.0.2.1", "a@x.example", "urn:x"},
                                             .must_staple = true});
    const auto path = folder.write("r.pem", request.pem());
    CHECK(run("openssl req -in " + path + " -verify -noout").status == 0);
    CHECK_THAT(run("openssl req -in " + path + " -noout -text").output,
               Catch::Contains("DNS:y.example, IP Address:192.0.2.1, email:a@x.example, URI:urn:x, DNS:x.example\n"));
    const auto again = CertificateRequest::from_pem(request.pem());
    CHECK(again.common_name() == "x.example");
    CHECK(again.must_staple());
    CHECK_FALSE(again.sans_critical());
    CHECK(again.public_key() == key.public_key());
    CHECK(again.sans().size() == 5);
  }
}

TEST_CASE("a common name beyond 64 bytes is left out and the names become critical") {
  const std::string name = std::string(60, 'a') + ".example";
  const auto request = build_request(PrivateKey::generate("ECDSA-P256"), {.common_name = name, .sans = {}});
  CHECK(request.common_name().empty());
  CHECK(request.subject().empty());
  CHECK(request.sans_critical());
  CHECK(san_texts(request.sans()) == std::vector<std::string>{name});
  CHECK_THROWS_WITH(build_request(PrivateKey::generate("ECDSA-P256"), {}), "empty common name");
}

TEST_CASE("a request from the openssl program with the old label is read") {
  const TemporaryFolder folder;
  REQUIRE(run("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -newhdr -subj "
              "/CN=x -out " +
              folder.file("r.pem"))
              .status == 0);
  CHECK(CertificateRequest::from_pem(folder.read("r.pem")).common_name() == "x");
}

TEST_CASE("a bad request is refused with the text that says why") {
  const auto request = build_request(PrivateKey::generate("ECDSA-P256"), {.common_name = "x.example", .sans = {}});
  CHECK_THROWS_WITH(CertificateRequest::from_pem("junk"), "invalid CSR PEM format");
  CHECK_THROWS_WITH(CertificateRequest::from_pem(request.pem() + request.pem()), "invalid CSR PEM format");
  CHECK_THROWS_WITH(CertificateRequest::from_pem(request.pem().substr(0, 100)), "invalid CSR PEM format");
  CHECK_THROWS_WITH(CertificateRequest::from_der(as_bytes("junk")), Catch::StartsWith("invalid CSR: "));
  Bytes der = request.der();
  der.push_back(0);
  CHECK_THROWS_WITH(CertificateRequest::from_der(der), Catch::StartsWith("invalid CSR: "));
  Bytes forged = request.der();
  const std::string name = "x.example";
  *std::search(forged.begin(), forged.end(), name.begin(), name.end()) = 'y';
  CHECK_THROWS_WITH(CertificateRequest::from_der(forged), "CSR signature verification failed");
}

TEST_CASE("a certificate and key file are loaded as a pair, with their chain") {
  const TemporaryFolder folder;
  const Identity root = make_root({}, now());
  const Identity server = issue_server_certificate(root, {.names = {"a.example"}}, now());
  const auto certificate = folder.write("c.pem", root.certificate.pem() + server.certificate.pem(), 0644);
  const auto key = folder.write("k.pem", key_text(server.key));
  const auto loaded = load_identity(certificate, key, now());
  CHECK(loaded.identity.certificate == server.certificate);
  CHECK(loaded.identity.chain.size() == 1);
  CHECK(loaded.warnings.empty());

  CHECK(load_identity(certificate, folder.write("k.pem", key_text(server.key), 0640), now()).warnings.size() == 1);
  CHECK_THROWS_WITH(load_identity(certificate, folder.write("k.pem", key_text(server.key), 0644), now()),
                    Catch::Contains("chmod 0600"));
  CHECK_THROWS_WITH(
      load_identity(certificate, folder.write("k.pem", key_text(PrivateKey::generate("ECDSA-P256"))), now()),
      Catch::Contains("does not belong to a certificate"));
  folder.write("k.pem", key_text(server.key));
  CHECK_THROWS_WITH(load_identity(certificate, key, now() + 800 * 24h), Catch::Contains("has expired"));
  CHECK_THROWS_WITH(load_identity(certificate, key, now() - 800 * 24h), Catch::Contains("is not yet valid"));
  CHECK_THROWS_WITH(load_identity(folder.file("none.pem"), key, now()), Catch::Contains("none.pem: No such file"));
  CHECK_THROWS_WITH(load_identity("/dev/null", key, now()), Catch::Contains("is not a regular file"));
  CHECK_THROWS_WITH(load_trust_bundle(certificate, now() + 800 * 24h), Catch::Contains("\"CN=a.example\" has expired"));
  CHECK(load_trust_bundle(certificate, now()).size() == 2);
}
