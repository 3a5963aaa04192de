#include "core/service/owners.hpp"

#include "core/service/resources_test_support.hpp"

using namespace certctl;
using namespace certctl::service;
using namespace certctl::service::testing;

TEST_CASE("An owner is stored together with its audit event and the call's") {
  Desk desk;
  const auto owner = Owners(desk.ground()).create(desk.context, body(R"({"id": "o-ada", "name": "Ada", "email": "ada@example.com", "team_id": "t-web"})"));
  CHECK(owner.id == "o-ada");
  CHECK(owner.email == "ada@example.com");
  CHECK(desk.events("create_owner") == 1);
  CHECK(desk.events("api_post") == 1);
  CHECK(desk.api_call.recorded);
}

TEST_CASE("An owner with a wrong field is refused by that field's name and leaves nothing behind") {
  Desk desk;
  Owners owners(desk.ground());
  const auto [text, field, message] = GENERATE(table<std::string, std::string, std::string>({
      {R"({"email": "a@b.example", "team_id": "t-web"})", "name", "name is required"},
      {R"({"name": "  ", "team_id": "t-web"})", "name", "name is required"},
      {R"({"name": "A"})", "team_id", "team_id is required"},
      {R"({"name": "A", "team_id": "t-none"})", "team_id", "referenced team does not exist: t-none"},
      {R"({"name": "A", "team_id": "t-web", "email": "no mail"})", "email", "email is not a mail address"},
      {R"({"name": "A", "team_id": "t-web", "email": "a@b.example\r\nBcc: x@y.example"})", "email", "email is not a mail address"},
      {R"({"name": 7, "team_id": "t-web"})", "/name", "Invalid request body: name must be a string, not number"},
      {R"({"id": "../x", "name": "A", "team_id": "t-web"})", "id", "id must begin with"},
  }));
  CAPTURE(text);
  const Error error = refusal([&] { owners.create(desk.context, body(text)); });
  CHECK(error.kind() == ErrorKind::invalid);
  CHECK(contains(error.what(), message));
  REQUIRE(!error.fields().empty());
  CHECK(error.fields().front().field == field);
  CHECK(desk.number("SELECT count(*) FROM owners") == 0);
  CHECK(desk.events("create_owner") == 0);
}

TEST_CASE("An owner's absent keys keep their value and present ones are set, also to nothing") {
  Desk desk;
  Owners owners(desk.ground());
  owners.create(desk.context, body(R"({"id": "o-1", "name": "Ada", "email": "ada@example.com", "team_id": "t-web"})"));
  CHECK(owners.update(desk.context, "o-1", body(R"({"team_id": "t-db"})")).email == "ada@example.com");
  CHECK(owners.update(desk.context, "o-1", body(R"({"email": ""})")).team_id == "t-db");
  CHECK(owners.get("o-1").email.empty());
  CHECK(refusal([&] { owners.update(desk.context, "o-1", body(R"({"name": ""})")); }).kind() == ErrorKind::invalid);
  CHECK(owners.get("o-1").name == "Ada");
}

TEST_CASE("A taken owner id is a conflict") {
  Desk desk;
  Owners owners(desk.ground());
  owners.create(desk.context, body(R"({"id": "o-1", "name": "Ada", "team_id": "t-web"})"));
  const Error error = refusal([&] { owners.create(desk.context, body(R"({"id": "o-1", "name": "Bob", "team_id": "t-web"})")); });
  CHECK(error.kind() == ErrorKind::conflict);
  CHECK(std::string(error.what()) == "Owner with this id already exists");
}

TEST_CASE("An owner of certificates cannot be deleted and the refusal counts them") {
  Desk desk;
  Owners owners(desk.ground());
  owners.create(desk.context, body(R"({"id": "o-1", "name": "Ada", "team_id": "t-web"})"));
  desk.add_certificate("mc-1", "owner_id", "'o-1'");
  const Error error = refusal([&] { owners.remove(desk.context, "o-1"); });
  CHECK(error.kind() == ErrorKind::conflict);
  CHECK(std::string(error.what()) == "Cannot delete owner: certificates are still assigned to this owner");
  REQUIRE(error.fields().size() == 1);
  CHECK(error.fields().front().message == "1 certificates");
  CHECK(owners.get("o-1").name == "Ada");
  CHECK(desk.events("delete_owner") == 0);
}

TEST_CASE("An unknown owner is not found, whatever is asked") {
  Desk desk;
  Owners owners(desk.ground());
  CHECK(refusal([&] { owners.get("o-none"); }).kind() == ErrorKind::not_found);
  CHECK(refusal([&] { owners.update(desk.context, "o-none", body("{}")); }).kind() == ErrorKind::not_found);
  CHECK(std::string(refusal([&] { owners.remove(desk.context, "o-none"); }).what()) == "Owner not found");
}
