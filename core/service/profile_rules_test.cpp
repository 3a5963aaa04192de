#include "core/service/profile_rules.hpp"

#include "core/service/resources_test_support.hpp"

using namespace certctl;
using namespace certctl::service;
using namespace certctl::service::testing;

namespace {

domain::CertificateProfile profile_of(std::vector<domain::KeyRule> rules) {
  domain::CertificateProfile profile;
  profile.name = "web";
  profile.allowed_key_algorithms = std::move(rules);
  return profile;
}

crypto::PublicKey key_of(std::string_view algorithm) { return crypto::PrivateKey::generate(algorithm).public_key(); }

std::string names_refused(const domain::CertificateProfile& profile, std::string_view common_name, const std::vector<std::string>& sans) {
  return refusal([&] { check_names(profile, common_name, crypto::classify_sans(sans)); }).what();
}

}  // namespace

TEST_CASE("A key that no rule of the profile lets through is refused with the rules") {
  const auto profile = profile_of({{"ECDSA", 384}, {"RSA", 3072}});
  CHECK(std::string(refusal([&] { check_key(profile, key_of("ECDSA-P256")); }).what()) ==
        "CSR key (ECDSA 256-bit) does not match any allowed algorithm in profile \"web\": ECDSA >= 384, RSA >= 3072");
  CHECK(std::string(refusal([&] { check_key(profile, key_of("Ed25519")); }).what()) ==
        "CSR key (Ed25519 256-bit) does not match any allowed algorithm in profile \"web\": ECDSA >= 384, RSA >= 3072");
  CHECK_NOTHROW(check_key(profile, key_of("ECDSA-P384")));
}

TEST_CASE("Keys are made as ECDSA P-256 where the profile lets them, else as the least that its first rule takes") {
  CHECK(key_algorithm_of(profile_of({})) == "ECDSA-P256");
  CHECK(key_algorithm_of(profile_of({{"RSA", 2048}, {"ECDSA", 256}})) == "ECDSA-P256");
  CHECK(key_algorithm_of(profile_of({{"ECDSA", 384}, {"RSA", 2048}})) == "ECDSA-P384");
  CHECK(key_algorithm_of(profile_of({{"RSA", 3072}})) == "RSA-3072");
  CHECK(key_algorithm_of(profile_of({{"Ed25519", 0}})) == "Ed25519");
}

TEST_CASE("Each key that is made passes the rules it was made by") {
  for (const domain::KeyRule& rule : {domain::KeyRule{"ECDSA", 521}, domain::KeyRule{"RSA", 2049}, domain::KeyRule{"Ed25519", 256}})
    CHECK_NOTHROW(check_key(profile_of({rule}), key_of(key_algorithm_of(profile_of({rule})))));
}

TEST_CASE("The size of an Ed25519 key is no matter") {
  CHECK_NOTHROW(check_key(profile_of({{"Ed25519", 4096}}), key_of("Ed25519")));
}

TEST_CASE("A profile without key rules takes every sound key") {
  CHECK_NOTHROW(check_key(profile_of({}), key_of("Ed25519")));
  CHECK_NOTHROW(check_key(profile_of({}), key_of("RSA-2048")));
}

TEST_CASE("Each required pattern must match a whole SAN") {
  auto profile = profile_of({});
  profile.required_san_patterns = {"[a-z]+\\.example\\.com"};
  CHECK_NOTHROW(check_names(profile, "", crypto::classify_sans({"other.example.org", "www.example.com"})));
  CHECK(names_refused(profile, "", {"www.example.com.evil.org"}) == "required SAN pattern \"[a-z]+\\.example\\.com\" matches no SAN");
  CHECK(names_refused(profile, "", {}) == "required SAN pattern \"[a-z]+\\.example\\.com\" matches no SAN");
}

TEST_CASE("A common name that is a host counts among the names, one that is not does not") {
  auto profile = profile_of({});
  profile.permitted_san_patterns = {".*\\.example\\.com"};
  CHECK(names_refused(profile, "www.evil.org", {"www.example.com"}) == "SAN \"www.evil.org\" not permitted by profile");
  CHECK_NOTHROW(check_names(profile, "Device 7 (hall)", crypto::classify_sans({"www.example.com"})));
}

TEST_CASE("A SPIFFE profile wants exactly one URI that matches") {
  auto profile = profile_of({});
  profile.spiffe_uri_pattern = "spiffe://example\\.org/ns/.*";
  CHECK_NOTHROW(check_names(profile, "", crypto::classify_sans({"spiffe://example.org/ns/web"})));
  CHECK(names_refused(profile, "", {"spiffe://evil.org/ns/web"}) == "SPIFFE ID \"spiffe://evil.org/ns/web\" does not match profile pattern");
  CHECK(contains(names_refused(profile, "", {"www.example.org"}), "exactly one SPIFFE ID"));
  CHECK(contains(names_refused(profile, "", {"https://example.org/a", "https://example.org/b"}), "the request has 2"));
}

TEST_CASE("Key purposes become OIDs once each, and what no leaf may have is unknown") {
  auto profile = profile_of({});
  profile.allowed_ekus = {"serverAuth", "clientAuth", "1.3.6.1.5.5.7.3.1", "1.2.840.1"};
  CHECK(ekus_of(profile) == std::vector<std::string>{"1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "1.2.840.1"});
  for (const auto* bad : {"ocspSigning", "anyExtendedKeyUsage", "1.3.6.1.5.5.7.3.9", "1.40.1", "3.1", "1.", "01.2", "1", "1..2", ""}) {
    CAPTURE(bad);
    CHECK(eku_oid(bad).empty());
  }
  profile.allowed_ekus = {"webAuth"};
  CHECK(std::string(refusal([&] { ekus_of(profile); }).what()) == "unknown EKU \"webAuth\"");
}
