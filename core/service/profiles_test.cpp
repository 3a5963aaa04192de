#include "core/service/profiles.hpp"

#include "core/service/resources_test_support.hpp"

using namespace certctl;
using namespace certctl::service;
using namespace certctl::service::testing;

TEST_CASE("A profile that says nothing but its name gets the defaults and is enabled") {
  Desk desk;
  const auto profile = Profiles(desk.ground()).create(desk.context, body(R"({"id": "prof-web", "name": "Web"})"));
  REQUIRE(profile.allowed_key_algorithms.size() == 2);
  CHECK(profile.allowed_key_algorithms[0].algorithm == "ECDSA");
  CHECK(profile.allowed_key_algorithms[0].min_size == 256);
  CHECK(profile.allowed_key_algorithms[1].algorithm == "RSA");
  CHECK(profile.allowed_key_algorithms[1].min_size == 2048);
  CHECK(profile.allowed_ekus == std::vector<std::string>{"serverAuth"});
  CHECK(profile.enabled);
  CHECK(profile.acme_auth_mode == "trust_authenticated");
  CHECK(desk.events("create_profile") == 1);
}

TEST_CASE("Every field of a profile comes back as it was given") {
  Desk desk;
  const auto profile = Profiles(desk.ground()).create(desk.context, body(R"({
    "name": "All", "description": "d", "allowed_key_algorithms": [{"algorithm": "Ed25519", "min_size": 0}], "max_ttl_seconds": 300,
    "allowed_ekus": ["clientAuth", "1.2.3.4"], "required_san_patterns": [".*\\.example\\.com"], "permitted_san_patterns": [".*"],
    "spiffe_uri_pattern": "spiffe://example\\.org/.*", "allow_short_lived": true, "must_staple": true,
    "required_csr_attributes": ["serialNumber"], "acme_auth_mode": "challenge", "requires_approval": true,
    "issuer_options": {"profile": "short"}, "enabled": false})"));
  CHECK(profile.allowed_key_algorithms.at(0).algorithm == "Ed25519");
  CHECK(profile.max_ttl_seconds == 300);
  CHECK(profile.allowed_ekus == std::vector<std::string>{"clientAuth", "1.2.3.4"});
  CHECK(profile.required_san_patterns == std::vector<std::string>{".*\\.example\\.com"});
  CHECK(profile.permitted_san_patterns == std::vector<std::string>{".*"});
  CHECK(profile.spiffe_uri_pattern == "spiffe://example\\.org/.*");
  CHECK(profile.allow_short_lived);
  CHECK(profile.must_staple);
  CHECK(profile.required_csr_attributes == std::vector<std::string>{"serialNumber"});
  CHECK(profile.acme_auth_mode == "challenge");
  CHECK(profile.requires_approval);
  CHECK(json::text_or(json::parse(profile.issuer_options.text), "profile") == "short");
  CHECK_FALSE(profile.enabled);
}

TEST_CASE("A profile rule that cannot be is refused with upstream's words") {
  Desk desk;
  Profiles profiles(desk.ground());
  const auto [text, message] = GENERATE(table<std::string, std::string>({
      {R"({})", "name is required"},
      {R"({"name": "P", "allowed_key_algorithms": [{"algorithm": "DSA", "min_size": 1024}]})",
       "invalid key algorithm: DSA (allowed: RSA, ECDSA, Ed25519)"},
      {R"({"name": "P", "allowed_key_algorithms": [{"algorithm": "RSA", "min_size": 1024}]})",
       "RSA minimum key size must be at least 2048, got 1024"},
      {R"({"name": "P", "allowed_key_algorithms": [{"algorithm": "ECDSA", "min_size": 224}]})",
       "ECDSA minimum key size must be at least 256, got 224"},
      {R"({"name": "P", "allowed_ekus": ["webAuth"]})", "invalid EKU: webAuth"},
      {R"({"name": "P", "allowed_ekus": ["2.5.29.37.0"]})", "invalid EKU: 2.5.29.37.0"},
      {R"({"name": "P", "max_ttl_seconds": -1})", "max_ttl_seconds cannot be negative"},
      {R"({"name": "P", "allow_short_lived": true, "max_ttl_seconds": 3600})",
       "allow_short_lived is true but max_ttl_seconds (3600) is >= 3600; short-lived certs must have TTL under 1 hour"},
      {R"({"name": "P", "required_san_patterns": ["ok", "("]})", "required_san_patterns[1] is not a usable pattern"},
      {R"({"name": "P", "permitted_san_patterns": ["(?=ab)c"]})", "permitted_san_patterns[0] is not a usable pattern"},
      {R"({"name": "P", "spiffe_uri_pattern": "["})", "spiffe_uri_pattern is not a usable pattern"},
      {R"({"name": "P", "acme_auth_mode": "none"})", "acme_auth_mode must be one of: trust_authenticated, challenge"},
      {R"({"name": "P", "max_ttl_seconds": "90"})", "max_ttl_seconds must be a whole number, not string"},
      {R"({"name": "P", "max_ttl_seconds": 3000000000})", "max_ttl_seconds is out of range"},
  }));
  CAPTURE(text);
  const Error error = refusal([&] { profiles.create(desk.context, body(text)); });
  CHECK(error.kind() == ErrorKind::invalid);
  CHECK(contains(error.what(), message));
  CHECK(desk.number("SELECT count(*) FROM certificate_profiles") == 0);
}

TEST_CASE("A pattern of 513 bytes is refused, one of 512 is not") {
  Desk desk;
  Profiles profiles(desk.ground());
  const auto with = [](std::size_t length) { return body(R"({"name": "P", "required_san_patterns": [")" + std::string(length, 'a') + "\"]}"); };
  CHECK(contains(refusal([&] { profiles.create(desk.context, with(513)); }).what(), "longer than 512 bytes"));
  CHECK_NOTHROW(profiles.create(desk.context, with(512)));
}

TEST_CASE("Emptying a profile's lists brings their defaults back, and absent ones stay") {
  Desk desk;
  Profiles profiles(desk.ground());
  profiles.create(desk.context, body(R"({"id": "prof-1", "name": "P", "allowed_key_algorithms": [{"algorithm": "RSA", "min_size": 4096}],
                                         "allowed_ekus": ["clientAuth"], "requires_approval": true})"));
  auto profile = profiles.update(desk.context, "prof-1", body(R"({"description": "new"})"));
  CHECK(profile.allowed_key_algorithms.at(0).min_size == 4096);
  CHECK(profile.requires_approval);
  profile = profiles.update(desk.context, "prof-1", body(R"({"allowed_key_algorithms": [], "allowed_ekus": null})"));
  CHECK(profile.allowed_key_algorithms.size() == 2);
  CHECK(profile.allowed_ekus == std::vector<std::string>{"serverAuth"});
}

TEST_CASE("A list that an adopted database stores empty stays so") {
  Desk desk;
  desk.database->run("INSERT INTO certificate_profiles (id, name, allowed_key_algorithms, allowed_ekus) VALUES ('prof-old', 'Old', 'null', '[]')");
  const auto profile = Profiles(desk.ground()).update(desk.context, "prof-old", body(R"({"name": "New", "allowed_ekus": []})"));
  CHECK(profile.name == "New");
  CHECK(profile.allowed_key_algorithms.empty());
  CHECK(profile.allowed_ekus.empty());
}

TEST_CASE("PUT words a profile's bad name in its own way") {
  Desk desk;
  Profiles profiles(desk.ground());
  profiles.create(desk.context, body(R"({"id": "prof-1", "name": "P"})"));
  CHECK(std::string(refusal([&] { profiles.update(desk.context, "prof-1", body(R"({"name": " "})")); }).what()) == "profile name is required");
  const auto longer = body("{\"name\": \"" + std::string(256, 'n') + "\"}");
  CHECK(std::string(refusal([&] { profiles.update(desk.context, "prof-1", longer); }).what()) == "profile name exceeds 255 characters");
}

TEST_CASE("A profile in use cannot be deleted") {
  Desk desk;
  Profiles profiles(desk.ground());
  profiles.create(desk.context, body(R"({"id": "prof-1", "name": "P"})"));
  desk.add_certificate("mc-1", "certificate_profile_id", "'prof-1'");
  const Error error = refusal([&] { profiles.remove(desk.context, "prof-1"); });
  CHECK(error.kind() == ErrorKind::conflict);
  CHECK(contains(error.what(), "1 certificates and 0 renewal policies"));
  desk.database->run("DELETE FROM managed_certificates");
  CHECK_NOTHROW(profiles.remove(desk.context, "prof-1"));
  CHECK(std::string(refusal([&] { profiles.get("prof-1"); }).what()) == "Profile not found");
}

TEST_CASE("A taken profile name is a conflict on create and on rename") {
  Desk desk;
  Profiles profiles(desk.ground());
  profiles.create(desk.context, body(R"({"id": "prof-1", "name": "P"})"));
  profiles.create(desk.context, body(R"({"id": "prof-2", "name": "Q"})"));
  CHECK(std::string(refusal([&] { profiles.create(desk.context, body(R"({"name": "P"})")); }).what()) == "Profile with this name already exists");
  CHECK(refusal([&] { profiles.update(desk.context, "prof-2", body(R"({"name": "P"})")); }).kind() == ErrorKind::conflict);
  CHECK(profiles.get("prof-2").name == "Q");
}
