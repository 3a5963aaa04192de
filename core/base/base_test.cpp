#include <catch2/catch.hpp>

#include "core/base/config.hpp"
#include "core/base/error.hpp"
#include "core/base/id.hpp"
#include "core/base/json.hpp"
#include "core/base/text.hpp"
#include "core/base/time.hpp"

using namespace certctl;
using namespace std::chrono_literals;

TEST_CASE("times are printed in UTC without trailing zeros and read with any offset") {
  const Time time = Time(std::chrono::sys_days(std::chrono::year(2026) / 1 / 2)) + 3h + 4min + 5s + 678ms;
  CHECK(format_time(time) == "2026-01-02T03:04:05.678Z");
  CHECK(format_time(time - 678ms) == "2026-01-02T03:04:05Z");
  CHECK(parse_time("2026-01-02T05:04:05.678+02:00") == time);
  CHECK(parse_time("2026-01-02T03:04:05.678999999Z") == time + 999us);
  CHECK(parse_time("0001-01-01T00:00:00Z").value() == Time(std::chrono::sys_days(std::chrono::year(1) / 1 / 1)));
}

TEST_CASE("what is not a time is refused") {
  for (const auto bad : {"", "2026-02-30T00:00:00Z", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02T03:04:05Zx", "2026-01-02T25:00:00Z"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_time(bad));
  }
}

TEST_CASE("durations follow Go's syntax plus days") {
  CHECK(parse_duration("1h30m") == Duration(90min));
  CHECK(parse_duration("1.5h") == Duration(90min));
  CHECK(parse_duration("168h") == Duration(168h));
  CHECK(parse_duration("7d") == Duration(168h));
  CHECK(parse_duration("300ms") == Duration(300ms));
  CHECK(parse_duration("0") == Duration(0));
  CHECK(parse_duration("-2s") == Duration(-2s));
  for (const auto bad : {"", "10", "10x", "h", "1h30"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_duration(bad));
  }
  CHECK(format_duration(5min) == "5m0s");
  CHECK(format_duration(24h) == "24h0m0s");
  CHECK(format_duration(1500ms) == "1.5s");
}

TEST_CASE("a JSON error names the cause and the place") {
  CHECK_THROWS_WITH(json::parse("{\n  \"a\": }"), Catch::Contains("line 2, column 8"));
  CHECK_THROWS_WITH(json::parse("{} x"), Catch::Contains("at line 1, column 4"));
}

TEST_CASE("JSON that RapidJSON would let through is refused") {
  CHECK_THROWS_WITH(json::parse("{\"a\":1,\"A\":2}"), Catch::Contains("duplicate key"));
  CHECK_THROWS_WITH(json::parse("\"\\u0000\""), Catch::Contains("U+0000"));
  CHECK_THROWS_AS(json::parse("\"\xff\""), Error);
  CHECK_THROWS_WITH(json::parse(std::string(300'000, '[')), Catch::Contains("deeper than 64"));
  CHECK_THROWS_AS(json::parse(""), Error);
}

TEST_CASE("a member is found by exact key first, then without letter case") {
  const auto document = json::parse(R"({"Name":"x"})");
  REQUIRE(json::find(document, "name") != nullptr);
  CHECK(json::find(document, "other") == nullptr);
}

TEST_CASE("ids sort by time and follow the pattern clients may use") {
  SystemClock clock;
  const std::string first = new_id("cert", clock);
  CHECK(is_valid_id(first));
  CHECK(first.size() == 5 + 19 + 1 + 10);
  CHECK_FALSE(is_valid_id("../../etc/passwd"));
  CHECK_FALSE(is_valid_id(""));
  CHECK_FALSE(is_valid_id(std::string(129, 'a')));
  CHECK(new_uuid().size() == 36);
}

TEST_CASE("UTF-8 is told from what only looks like it") {
  CHECK(is_utf8("grün"));
  CHECK_FALSE(is_utf8("\xc0\x80"));
  CHECK_FALSE(is_utf8("\xed\xa0\x80"));
  CHECK(printable("a\n\x1b[0m") == "a\\n\\x1b[0m");
  CHECK(count_characters("grün") == 4);
}

TEST_CASE("base64 and hex survive a round trip") {
  for (const std::string text : {"", "a", "ab", "abc", "abcd"}) {
    CHECK(as_text(from_base64(to_base64(as_bytes(text))).value()) == text);
    CHECK(as_text(from_hex(to_hex(as_bytes(text))).value()) == text);
  }
  CHECK_FALSE(from_hex("0g"));
  CHECK_FALSE(from_base64("a*b="));
}

namespace {
constexpr config::Setting kTable[] = {
    {"CERTCTL_FLAG", config::Type::boolean, "false", "Test", "a flag"},
    {"CERTCTL_WAIT", config::Type::duration, "10s", "Test", "a wait", config::Reload::live, 1},
    {"CERTCTL_PORT", config::Type::integer, "8080", "Test", "a port", config::Reload::restart, 1, 65535, "", "invalid server port: {}"},
    {"CERTCTL_KEY", config::Type::secret, "", "Test", "a key"},
};
}  // namespace

TEST_CASE("settings are read from a table, and every problem is reported at once without secrets") {
  config::Layers layers;
  layers.add("CERTCTL_FLAG", "TRUE", "environment");
  CHECK(config::Values(kTable, layers).flag("CERTCTL_FLAG"));
  layers.add("flag", "maybe", "environment");
  layers.add("CERTCTL_WAIT", "10", "environment");
  layers.add("CERTCTL_PORT", "70000", "environment");
  layers.add("CERTCTL_KEY", "hunter2hunter2", "environment");
  try {
    config::Values values(kTable, layers);
    FAIL("accepted");
  } catch (const Error& e) {
    const std::string text = e.what();
    CHECK_THAT(text, Catch::Contains("CERTCTL_FLAG (environment): expected true or false"));
    CHECK_THAT(text, Catch::Contains("needs a unit"));
    CHECK_THAT(text, Catch::Contains("invalid server port: 70000"));
    CHECK_THAT(text, !Catch::Contains("hunter2"));
  }
}
