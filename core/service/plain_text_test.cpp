#include <catch2/catch.hpp>

#include "core/service/plain_text.hpp"

using certctl::service::plain_text;

TEST_CASE("Plain text keeps letters of every script, tabs and emoji") {
  CHECK(plain_text("Köln\tМосква 東京 🔒") == "Köln\tМосква 東京 🔒");
}

TEST_CASE("Plain text cannot begin a new line") {
  CHECK(plain_text("a\r\nb\nc\rd") == "a b c d");
}

TEST_CASE("Plain text has no control, direction or invisible characters") {
  CHECK(plain_text(std::string("a\0b\x1b[31mc\x7f", 10)) == "ab[31mc");
  CHECK(plain_text("a\u0085b\u202Ec\u2066d\u200Be\uFEFFf\uFFFDg\u180Eh") == "abcdefgh");
}
