#include "core/plugin/schema.hpp"

#include <catch2/catch.hpp>

using namespace certctl;
using namespace certctl::plugin;

namespace {

Schema schema(std::string_view text) { return Schema(json::parse(text)); }

std::string normal(const Schema& schema, std::string_view config) {
  const SchemaResult result = schema.check(json::raw(config));
  CHECK(result.errors.empty());
  return result.config.text;
}

std::string first_error(const Schema& schema, std::string_view config) {
  const SchemaResult result = schema.check(json::raw(config));
  return result.errors.empty() ? "" : result.errors[0].field + ": " + result.errors[0].message;
}

const Schema kSchema = schema(R"({
  "type": "object", "required": ["url"],
  "properties": {
    "url": {"type": "string", "maxLength": 20},
    "org_id": {"type": "integer"},
    "login": {"type": "string"},
    "insecure": {"type": "boolean", "default": false},
    "ratio": {"type": "number", "exclusiveMinimum": 0},
    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    "levels": {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": true},
    "winrm": {"type": "object", "properties": {"password": {"type": "string", "x-secret": true},
                                               "port": {"type": "integer", "default": 5986}}},
    "keys": {"type": "array", "items": {"type": "string", "x-secret": true}}
  }})");

}  // namespace

TEST_CASE("numbers and flags are taken as texts and the other way round") {
  CHECK(normal(kSchema, R"({"url":"u","org_id":"12345","insecure":"TRUE","login":7})") ==
        R"({"url":"u","org_id":12345,"insecure":true,"login":"7"})");
}

TEST_CASE("a cleared number and null are absent") {
  CHECK(normal(kSchema, R"({"url":"u","org_id":"","labels":null})") == R"({"url":"u","insecure":false})");
}

TEST_CASE("an object may come as JSON text") {
  CHECK(normal(kSchema, R"({"url":"u","labels":"{\"a\":1}","insecure":true})") ==
        R"({"url":"u","labels":{"a":"1"},"insecure":true})");
}

TEST_CASE("defaults are filled in where their object is") {
  CHECK(normal(kSchema, R"({"url":"u","insecure":true,"winrm":{}})") ==
        R"({"url":"u","insecure":true,"winrm":{"port":5986}})");
}

TEST_CASE("what is wrong is named by its JSON pointer") {
  CHECK(first_error(kSchema, R"({"url":"u","org_id":"many"})") == "/org_id: must be an integer, not a string");
  CHECK(first_error(kSchema, R"({"url":"u","org_id":1.5})") == "/org_id: must be an integer, not a number");
  CHECK(first_error(kSchema, R"({"url":"u","levels":["a","c"]})") == R"(/levels/1: must be one of "a", "b")");
  CHECK(first_error(kSchema, R"({"url":"u","levels":["a","a"]})") == "/levels/1: stands in the list twice");
  CHECK(first_error(kSchema, R"({"url":"u","ratio":0})") == "/ratio: must be more than 0");
  CHECK(first_error(kSchema, R"({"url":"a text that is too long by far"})") == "/url: must have at most 20 characters");
  CHECK(first_error(kSchema, R"([1])") == ": config must be a JSON object");
}

TEST_CASE("missing and unknown keys are reported apart from errors") {
  const SchemaResult result = kSchema.check(json::raw(R"({"colour":"red"})"));
  CHECK(result.errors.empty());
  REQUIRE(result.missing.size() == 1);
  CHECK(result.missing[0].message == "url is required");
  REQUIRE(result.warnings.size() == 1);
  CHECK(result.warnings[0].field == "/colour");
  CHECK(result.config.text == R"({"colour":"red","insecure":false})");
}

TEST_CASE("secrets are masked at any depth, references are shown") {
  const json::Raw config = json::raw(R"({"url":"u","winrm":{"password":"p","port":1},"keys":["k","env:KEY",""]})");
  CHECK(kSchema.masked(config).text ==
        R"({"url":"u","winrm":{"password":"********","port":1},"keys":["********","env:KEY",""]})");
  CHECK(kSchema.secret_pointers() == std::vector<std::string>{"/winrm/password", "/keys/*"});
}

TEST_CASE("a private key is masked wherever it stands") {
  CHECK(kSchema.masked(json::raw(R"({"url":"-----BEGIN EC PRIVATE KEY-----\nx"})")).text == R"({"url":"********"})");
}

TEST_CASE("a masked value keeps what is stored") {
  const json::Raw stored = json::raw(R"({"url":"u","winrm":{"password":"p"}})");
  CHECK(kSchema.restored(json::raw(R"({"url":"v","winrm":{"password":"********"}})"), stored).text ==
        R"({"url":"v","winrm":{"password":"p"}})");
  CHECK_THROWS_WITH(kSchema.restored(json::raw(R"({"login":"********"})"), stored),
                    Catch::Matchers::Contains("nothing is stored"));
}

TEST_CASE("a schema that makes no sense is refused with its place") {
  CHECK_THROWS_WITH(schema(R"({"properties":{"a":{"type":"text"}}})"), "schema at \"/a\": unknown type");
  CHECK_THROWS_WITH(schema(R"({"properties":{"a":{"pattern":"("}}})"),
                    Catch::Matchers::Contains("schema at \"/a\": pattern"));
}
