#include <catch2/catch.hpp>

#include "core/domain/agent.hpp"
#include "core/domain/audit_event.hpp"
#include "core/domain/certificate.hpp"
#include "core/domain/intent.hpp"
#include "core/domain/issuer.hpp"
#include "core/domain/job.hpp"
#include "core/domain/notification.hpp"
#include "core/domain/organisation.hpp"
#include "core/domain/profile.hpp"
#include "core/domain/renewal_policy.hpp"
#include "core/domain/target.hpp"

using namespace certctl;
using namespace certctl::domain;

TEST_CASE("a described struct is written with its members' names, hidden and empty optional ones left out") {
  Team team;
  team.id = "team-1";
  team.name = "Platform";
  const auto parsed = json::parse(to_json(team));
  CHECK(json::text_or(parsed, "id") == "team-1");
  CHECK(json::find(parsed, "row_version") == nullptr);

  Certificate certificate;
  const auto body = json::parse(to_json(certificate));
  CHECK(json::text_or(body, "expires_at") == kZeroTimeText);
  CHECK(json::find(body, "revoked_at") == nullptr);
  CHECK(json::find(body, "revocation_reason") == nullptr);
  CHECK(json::find(body, "sans")->IsArray());
  CHECK(json::text_or(body, "status") == "Pending");
}

TEST_CASE("a body sets what it names and leaves the rest") {
  CertificateProfile profile;
  profile.description = "kept";
  merge_json(json::parse(R"({"NAME":"web","max_ttl_seconds":3600,"allowed_key_algorithms":[{"algorithm":"RSA","min_size":2048}],"unknown":1})"), profile, {});
  CHECK(profile.name == "web");
  CHECK(profile.description == "kept");
  CHECK(profile.max_ttl_seconds == 3600);
  REQUIRE(profile.allowed_key_algorithms.size() == 1);
  CHECK(profile.allowed_key_algorithms[0].min_size == 2048);
}

TEST_CASE("every member of a wrong type is named by its JSON pointer") {
  CertificateProfile profile;
  try {
    merge_json(json::parse(R"({"name":1,"allowed_ekus":["serverAuth",2],"allowed_key_algorithms":[{"min_size":"x"}]})"), profile, {});
    FAIL("accepted");
  } catch (const Error& e) {
    REQUIRE(e.fields().size() == 3);
    CHECK(e.fields()[0].field == "/name");
    CHECK(e.fields()[1].field == "/allowed_key_algorithms/0/min_size");
    CHECK(e.fields()[2].field == "/allowed_ekus/1");
    CHECK_THAT(e.what(), Catch::StartsWith("Invalid request body: name must be a string, not number"));
  }
}

TEST_CASE("members that a client may not write are ignored") {
  Team team;
  constexpr std::string_view kWritable[] = {"name"};
  merge_json(json::parse(R"({"name":"a","id":"evil","created_at":"nonsense"})"), team, kWritable);
  CHECK(team.name == "a");
  CHECK(team.id.empty());
}

TEST_CASE("a word of an enumeration is its enumerator's name, and an unknown one is kept") {
  CHECK(name_of(CertificateStatus::RenewalInProgress) == "RenewalInProgress");
  CHECK(value_of<JobStatus>("AwaitingCSR") == JobStatus::AwaitingCSR);
  CHECK_FALSE(value_of<JobStatus>("awaitingcsr"));
  const Word<AgentStatus> foreign(std::string("online"));
  CHECK(foreign.text() == "online");
  CHECK_FALSE(foreign.known());
}
