#include "core/db/connection_target.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <optional>
#include <string>

#include "core/base/error.hpp"

using namespace certctl;
using namespace certctl::db;

namespace {

std::string text(std::string_view url, std::string_view keyword) {
  return std::string(ConnectionTarget::parse(url).keyword(keyword));
}

std::string password(std::string_view url) {
  return ConnectionTarget::parse(url).password().use([](std::string_view text) { return std::string(text); });
}

std::string refusal(std::string_view url) {
  try {
    ConnectionTarget::parse(url);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("a URL gives its parts") {
  const char* url = "postgres://me:secret@db.example:6432/certctl?sslmode=verify-full&connect_timeout=3";
  CHECK(text(url, "user") == "me");
  CHECK(password(url) == "secret");
  CHECK(text(url, "host") == "db.example");
  CHECK(text(url, "port") == "6432");
  CHECK(text(url, "dbname") == "certctl");
  CHECK(text(url, "sslmode") == "verify-full");
  CHECK(text(url, "connect_timeout") == "3");
}

TEST_CASE("a keyword string gives its parts") {
  const char* text_form = "host=db.example user=me password='se cret' dbname=certctl";
  CHECK(text(text_form, "host") == "db.example");
  CHECK(password(text_form) == "se cret");
}

TEST_CASE("the user part ends at the last @") {
  const char* url = "postgres://me@corp:p@ss@db.example/certctl";
  CHECK(text(url, "user") == "me@corp");
  CHECK(password(url) == "p@ss");
  CHECK(text(url, "host") == "db.example");
}

TEST_CASE("percent-encoding is undone in every part") {
  const char* url = "postgres://m%65:p%40%2F%3Fss@/d%20b?host=%2Frun%2Fpg&application_name=a%26b";
  CHECK(text(url, "user") == "me");
  CHECK(password(url) == "p@/?ss");
  CHECK(text(url, "dbname") == "d b");
  CHECK(text(url, "host") == "/run/pg");
  CHECK(text(url, "application_name") == "a&b");
}

TEST_CASE("without sslmode a TCP connection requires TLS") {
  CHECK(text("postgres://me@db.example/x", "sslmode") == "require");
  CHECK(text("host=127.0.0.1 dbname=x", "sslmode") == "require");
  CHECK(text("postgres://me@db.example/x?sslmode=disable", "sslmode") == "disable");
  CHECK(text("postgres://me@db.example/x?ssl=true", "sslmode") == "require");
}

TEST_CASE("a unix socket needs no TLS") {
  CHECK(text("postgres:///x?host=/run/pg", "sslmode") == "");
  CHECK(text("host=/run/pg dbname=x", "sslmode") == "");
  CHECK_FALSE(ConnectionTarget::parse("host=/run/pg").is_tcp());
}

TEST_CASE("several hosts with ports, IPv6 among them, are passed as lists") {
  const char* url = "postgres://me@a:5433,[2001:db8::1]:5434,c/x?target_session_attrs=read-write";
  CHECK(text(url, "host") == "a,2001:db8::1,c");
  CHECK(text(url, "port") == "5433,5434,");
  CHECK(text(url, "target_session_attrs") == "read-write");
}

TEST_CASE("a parameter that libpq does not know becomes a setting of the session") {
  CHECK(text("postgres://db/x?search_path=a%20b&options=-c%20x%3D1", "options") == "-c x=1");
  CHECK(text("postgres://db/x?options=-c%20x%3D1&search_path=a%20b", "options") == "-c x=1 -c search_path=a\\ b");
  CHECK(text("postgres://db/x?binary_parameters=yes", "options") == "");
}

TEST_CASE("bad URLs are refused without repeating them") {
  for (const char* url : {"", "postgres://me:hunter22@db:99999/x", "postgres://me:hunter22@db:port/x", "hunter22",
                          "postgres://me:hunter22@[::1/x", "postgres://me:hunter22@db/x?flag", "password=hunter22 =",
                          "postgres://me:hunter22%zz@db/x", "postgres://me:hunter22@db/x?sslmode=strict",
                          "postgres://me:hunter22@db/x?a-b=1", "postgres://db/%00"}) {
    INFO(url);
    const std::string message = refusal(url);
    CHECK(message.starts_with("the database URL is not usable"));
    CHECK(message.find("hunter22") == std::string::npos);
  }
}

TEST_CASE("what is printed of a target holds no password") {
  const ConnectionTarget target = ConnectionTarget::parse("postgres://me:secret@db.example:6432/certctl");
  CHECK(target.describe() == "host=db.example port=6432 dbname=certctl user=me sslmode=require");
}

TEST_CASE("a target knows whether a network lies between and whether the server proves its name") {
  CHECK(ConnectionTarget::parse("postgres://localhost/x").is_local());
  CHECK_FALSE(ConnectionTarget::parse("postgres://localhost,db.example/x").is_local());
  CHECK(ConnectionTarget::parse("postgres://db/x?sslmode=verify-full").verifies_server());
  CHECK_FALSE(ConnectionTarget::parse("postgres://db/x?sslmode=require").verifies_server());
  CHECK_FALSE(ConnectionTarget::parse("postgres://db/x?sslmode=prefer").requires_tls());
}
