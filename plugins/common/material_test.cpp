#include "plugins/common/material.hpp"

#include <catch2/catch.hpp>

#include "plugins/common/common_test_support.hpp"

using namespace certctl;
using namespace certctl::common;
using namespace std::chrono_literals;

namespace {

std::chrono::system_clock::time_point now() { return std::chrono::system_clock::now(); }

Material check(const std::string& leaf, const std::string& chain, const std::string& key, bool force = false,
               std::chrono::system_clock::time_point at = now()) {
  return check_material(leaf, chain, SecretText::copy_of(key), SecretText::copy_of(key), force, at);
}

}  // namespace

TEST_CASE("material that belongs together is taken, with its facts") {
  const TestCa ca;
  const TestCertificate made = ca.issue("a.example");
  const Material material = check(made.leaf, made.chain, made.key);
  CHECK(material.fingerprint == made.fingerprint);
  CHECK(material.key_type == "ECDSA");
  CHECK(material.first_name == "a.example");
  CHECK(material.chain == made.chain);
  CHECK(material.chain_fingerprints.size() == 2);
  CHECK(check(made.leaf, "", "").chain.empty());
}

TEST_CASE("a chain out of order is put in order and duplicates are dropped") {
  const TestCa ca;
  const TestCertificate made = ca.issue("a.example");
  const std::string root = ca.folder().read("root.pem");
  const std::string intermediate = ca.folder().read("ca.pem");
  CHECK(check(made.leaf, root + intermediate + root + made.leaf, made.key).chain == intermediate + root);
}

TEST_CASE("material that does not belong together is refused with the reason") {
  const TestCa ca, other;
  const TestCertificate made = ca.issue("a.example");
  const TestCertificate second = ca.issue("b.example");
  CHECK_THROWS_WITH(check(made.leaf, made.chain, second.key),
                    Catch::StartsWith("private key does not belong to certificate a.example"));
  CHECK_THROWS_WITH(check(made.leaf, other.folder().read("ca.pem"), made.key),
                    "the chain does not fit: no certificate in it issued \"a.example\"");
  CHECK_THROWS_WITH(check("junk", "", made.key), Catch::Contains("exactly one certificate"));
  CHECK_THROWS_WITH(check(made.leaf, "", "junk"), Catch::StartsWith("the private key cannot be read"));
}

TEST_CASE("dates are checked unless the deployment is forced") {
  const TestCa ca;
  const TestCertificate made = ca.issue("a.example");
  CHECK_THROWS_WITH(check(made.leaf, "", made.key, false, now() + 24h * 21), "certificate a.example has expired");
  CHECK_THROWS_WITH(check(made.leaf, "", made.key, false, now() - 1h), "certificate a.example is not yet valid");
  CHECK_NOTHROW(check(made.leaf, "", made.key, false, now() - 4min));
  CHECK_NOTHROW(check(made.leaf, "", made.key, true, now() + 24h * 21));
}
