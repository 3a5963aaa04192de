#include <catch2/catch.hpp>

#include "core/base/error.hpp"
#include "core/base/json.hpp"
#include "core/base/text.hpp"
#include "core/base/time.hpp"
#include "core/http/api_keys.hpp"
#include "core/http/error_response.hpp"
#include "core/http/limiter.hpp"
#include "core/http/router.hpp"
#include "core/http/ssrf.hpp"
#include "core/http/uri.hpp"

namespace certctl::http {
namespace {

using namespace std::chrono_literals;

TEST_CASE("Header names compare without case and values cannot split an answer") {
  Headers headers;
  headers.add("Accept", "a, b");
  headers.add("accept", "c");
  CHECK(headers.get("ACCEPT") == "a, b");
  CHECK(headers.count("accept") == 2);
  CHECK(headers.lists("Accept", "C"));
  headers.set("aCCept", "d");
  CHECK(headers.count("accept") == 1);
  CHECK_THROWS_AS(headers.add("X", "a\r\nSet-Cookie: b"), Error);
}

TEST_CASE("Only canonical addresses are addresses") {
  CHECK(IpAddress::parse("127.0.0.1"));
  CHECK(IpAddress::parse("fe80::1"));
  for (const char* text :
       {"2130706433", "0x7f.1", "127.1", "010.0.0.1", "fe80::1%lo", "localhost", "", " 127.0.0.1", "1.2.3.4.5"}) {
    INFO(text);
    CHECK_FALSE(IpAddress::parse(text));
  }
  CHECK(IpAddress::parse("::ffff:10.0.0.1")->unmapped().to_text() == "10.0.0.1");
  CHECK(IpAddress::parse("2001:db8:1:2:3::4")->client_key() == "2001:db8:1:2::/64");
}

TEST_CASE("A network contains its addresses and is refused with host bits") {
  CHECK(Cidr::parse("10.1.0.0/16")->contains(*IpAddress::parse("10.1.255.1")));
  CHECK_FALSE(Cidr::parse("10.1.0.0/16")->contains(*IpAddress::parse("10.2.0.1")));
  CHECK(Cidr::parse("0.0.0.0/0")->contains(*IpAddress::parse("8.8.8.8")));
  CHECK(Cidr::parse("fe80::/10")->contains(*IpAddress::parse("febf::1")));
  CHECK_FALSE(Cidr::parse("fe80::/10")->contains(*IpAddress::parse("fec0::1")));
  for (const char* text : {"10.1.0.1/16", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "x/8"})
    CHECK_FALSE(Cidr::parse(text));
}

TEST_CASE("Paths that could mean another path are refused") {
  CHECK(split_path("/a/b%2Fc") == std::vector<std::string>{"a", "b/c"});
  CHECK(split_path("/a/") == std::vector<std::string>{"a", ""});
  for (const char* path : {"", "a", "//a", "/a//b", "/a/../b", "/a/%2e%2e/b", "/a/%2E/b", "/a/./b", "/a\\b", "/a%5cb",
                           "/a%00", "/a%0d", "/a%zz", "/a%2", "/%ff"}) {
    INFO(path);
    CHECK_FALSE(split_path(path));
  }
}

TEST_CASE("A query keeps order, repeats and blanks") {
  const Query query("a=1&b=x%20y&a=2&c&d=%zz&e=p+q");
  CHECK(query.get("a") == "1");
  CHECK(query.all("a") == std::vector<std::string>{"1", "2"});
  CHECK(query.get("b") == "x y");
  CHECK(query.get("c") == "");
  CHECK(query.get("d") == "%zz");
  CHECK(query.get("e") == "p q");
  CHECK_FALSE(query.get("f"));
}

TEST_CASE("A URL is taken apart and what only looks like a host is refused") {
  const auto url = parse_url("HTTPS://Example.COM:8443/a?b=c#d");
  CHECK(url.scheme == "https");
  CHECK(url.host == "example.com");
  CHECK(url.port == 8443);
  CHECK(url.target == "/a?b=c");
  CHECK(url.authority() == "example.com:8443");
  CHECK(parse_url("http://[::1]?x").origin() == "http://[::1]");
  CHECK(parse_url("http://[::1]?x").target == "/?x");
  for (const char* text : {"ftp://a/", "example.com", "http://", "http://u:p@h/", "http://2130706433/",
                           "http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/", "http://h:0/",
                           "http://h:65536/", "http://h:8a/", "http://[::1/", "http://[1.2.3.4]/", "http://a b/",
                           "http://a\r\nb/", "http://a\\@b/", "http://h/\\x", "http://[fe80::1%25eth0]/"}) {
    INFO(text);
    CHECK_THROWS_AS(parse_url(text), Error);
  }
}

Response nothing(Request&) { return no_content(); }

TEST_CASE("The router prefers literals, fills parameters and tells unknown paths from unknown methods") {
  Router router;
  router.add("GET", "/a/{id}", {}, nothing);
  router.add("GET", "/a/special", {}, nothing);
  router.add("PUT", "/a/{id}", {}, nothing);
  router.add("GET", "/a/{id}/b/{other}", {}, nothing);
  router.add("GET", "/o/{rest...}", {}, nothing);

  CHECK(router.match("GET", "/a/special").route->pattern == "/a/special");
  CHECK(router.match("HEAD", "/a/x").route->pattern == "/a/{id}");
  CHECK(router.match("GET", "/a/x/b/y").values == std::vector<std::string>{"x", "y"});
  CHECK(router.match("GET", "/o/a//b%2F").values == std::vector<std::string>{"a//b%2F"});
  CHECK(router.match("GET", "/o/../a/x").route == nullptr);
  CHECK(router.match("GET", "/a/special/b/y").route->pattern == "/a/{id}/b/{other}");

  const auto wrong_method = router.match("DELETE", "/a/x");
  CHECK(wrong_method.route == nullptr);
  CHECK(wrong_method.path_known);
  CHECK(wrong_method.allow == "GET, HEAD, PUT");
  CHECK(router.match("PUT", "/a/special").route->pattern == "/a/{id}");
  CHECK_FALSE(router.match("GET", "/a/").path_known);
  CHECK_FALSE(router.match("GET", "/b").path_known);
  CHECK(router.match("GET", "/a/../b").bad_path);
  CHECK(router.routes().size() == 5);
}

TEST_CASE("A route that contradicts itself or another one is a defect") {
  Router router;
  router.add("GET", "/a/{id}", {}, nothing);
  CHECK_THROWS_AS(router.add("GET", "/a/{name}", {}, nothing), std::logic_error);
  CHECK_THROWS_AS(router.add("GET", "a", {}, nothing), std::logic_error);
  CHECK_THROWS_AS(router.add("GET", "/a/{x...}/b", {}, nothing), std::logic_error);
  CHECK_THROWS_AS(router.add("GET", "/a/b{x}", {}, nothing), std::logic_error);
}

TEST_CASE("A bucket empties, says when to come back and fills with time") {
  ManualClock clock{Time{}};
  TokenBuckets buckets({2, 3}, clock);
  for (int i = 0; i < 3; ++i) CHECK(buckets.take("a").allowed);
  const auto refused = buckets.take("a");
  CHECK_FALSE(refused.allowed);
  CHECK(refused.retry_after == 1s);
  CHECK(refused.reset == 2s);
  CHECK(buckets.take("b").allowed);
  clock.advance(500ms);
  CHECK(buckets.take("a").allowed);
  CHECK_FALSE(buckets.take("a").allowed);
  clock.advance(1h);
  CHECK(buckets.peek("a").remaining == 3);
}

TEST_CASE("A flood of other keys does not refill a bucket within its own time, and memory stays bounded") {
  ManualClock clock{Time{}};
  TokenBuckets buckets({1, 1}, clock, 100);
  for (int i = 0; i < 1000; ++i) {
    CHECK(buckets.take("key-" + std::to_string(i)).allowed);
    if (i % 10 == 0) buckets.take("greedy");
  }
  CHECK(buckets.size() == 100);
  CHECK_FALSE(buckets.take("greedy").allowed);
}

TEST_CASE("Named keys follow the grammar and errors never show a key") {
  const auto keys = ApiKeys::parse_named(Secret::copy_of(
      " ci : key-of-ci-0123456789 , , root:key-of-root-0123456789:admin,en:key-of-en-0123456789:enroll"));
  REQUIRE(keys.entries().size() == 3);
  CHECK(keys.find("key-of-ci-0123456789", Time{})->name == "ci");
  CHECK(keys.find("key-of-root-0123456789", Time{})->admin);
  CHECK(keys.find("key-of-en-0123456789", Time{})->enroll);
  CHECK(keys.find("KEY-OF-CI-0123456789", Time{}) == nullptr);
  CHECK(keys.find(" key-of-ci-0123456789", Time{}) == nullptr);

  struct Case {
    const char* setting;
    const char* message;
  };
  for (const auto& [setting, message] :
       {Case{"onlyname", "invalid named key format"}, Case{"a:b:admin:x", "invalid named key format"},
        Case{"a:SECRET:root", "invalid admin flag"}, Case{"b@d:SECRET", "invalid key name"},
        Case{"a:", "empty key for name"}, Case{"a:SECRET,a:SECRET", "duplicate (name,key) entry for name \"a\""},
        Case{"a:SECRET,a:OTHER:admin", "duplicate key name \"a\" with mismatched admin flag"},
        Case{"a:sha256$00", "not sha256$ and 64 hex digits"}}) {
    INFO(setting);
    CHECK_THROWS_WITH(ApiKeys::parse_named(Secret::copy_of(setting)),
                      Catch::Contains(message) && !Catch::Contains("SECRET"));
  }
}

TEST_CASE("Hashed, expiring, rotating and legacy keys") {
  const std::string hash = to_hex(digest_of("a-long-key-0123456789-0123456789"));
  CHECK(ApiKeys::parse_named(Secret::copy_of("x:sha256$" + hash)).find("a-long-key-0123456789-0123456789", Time{}) !=
        nullptr);

  const auto file =
      ApiKeys::parse_file("# comment\n\nci:old-key-0123456789;not_after=2030-01-01T00:00:00Z\nci:new-key-0123456789\n");
  CHECK(file.find("old-key-0123456789", *parse_time("2029-12-31T23:59:59Z")) != nullptr);
  CHECK(file.find("old-key-0123456789", *parse_time("2030-01-01T00:00:00Z")) == nullptr);
  CHECK(file.find("new-key-0123456789", *parse_time("2031-01-01T00:00:00Z")) != nullptr);
  CHECK(file.notes().size() == 1);

  const auto legacy = ApiKeys::parse_legacy(Secret::copy_of("one-0123456789-0123456789,,two-0123456789-0123456789"));
  CHECK(legacy.find("two-0123456789-0123456789", Time{})->name == "legacy-key-1");
  CHECK_FALSE(legacy.find("two-0123456789-0123456789", Time{})->admin);
  CHECK(legacy.warnings().size() == 1);
}

TEST_CASE("An error becomes the envelope with its status, code, fields and waiting time") {
  const auto bad = error_response(invalid_field("/name", "required", "name is required"), "r-1");
  CHECK(bad.status == 400);
  const auto document = json::parse(bad.body);
  CHECK(json::text_or(document, "error") == "Bad Request");
  CHECK(json::text_or(document, "message") == "name is required");
  CHECK(json::text_or(document, "request_id") == "r-1");
  CHECK(json::text_or(document, "code") == "invalid_request");
  CHECK(json::text_of(*json::at(document, "/errors/0/field")) == "/name");

  CHECK(error_response(unavailable("db", 5s), "r").headers.get("Retry-After") == "5");
  const auto hidden = error_response(internal("SELECT 1"), "r");
  CHECK(hidden.status == 500);
  CHECK(hidden.body.find("SELECT") == std::string::npos);
}

TEST_CASE("The guard refuses every address of its list and passes private networks") {
  const AddressPolicy guarded(Guard::guarded, {}, {});
  for (const char* text : {"127.0.0.1",
                           "127.255.255.254",
                           "::1",
                           "169.254.169.254",
                           "fe80::1",
                           "224.0.0.1",
                           "ff02::1",
                           "255.255.255.255",
                           "0.0.0.0",
                           "::",
                           "0.1.2.3",
                           "240.0.0.1",
                           "192.0.0.1",
                           "64:ff9b::7f00:1",
                           "64:ff9b:1::a9fe:a9fe",
                           "2002:7f00:1::",
                           "::ffff:127.0.0.1",
                           "::ffff:169.254.169.254",
                           "::127.0.0.1",
                           "fd00:ec2::254",
                           "100.100.100.200",
                           "168.63.129.16"}) {
    INFO(text);
    CHECK_FALSE(guarded.allows(*IpAddress::parse(text)));
  }
  for (const char* text : {"10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fc00::1", "fd12::1", "8.8.8.8",
                           "2001:4860:4860::8888", "192.0.0.9", "64:ff9b::808:808", "::ffff:10.0.0.1"}) {
    INFO(text);
    CHECK(guarded.allows(*IpAddress::parse(text)));
  }
}

TEST_CASE("Administrators reach loopback and private hosts but not metadata") {
  const AddressPolicy administrator(Guard::administrator, {}, {});
  for (const char* text : {"127.0.0.1", "::1", "10.0.0.1", "8.8.8.8"})
    CHECK(administrator.allows(*IpAddress::parse(text)));
  for (const char* text :
       {"169.254.169.254", "fe80::1", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "::ffff:169.254.169.254"}) {
    INFO(text);
    CHECK_FALSE(administrator.allows(*IpAddress::parse(text)));
  }
}

TEST_CASE("Operators can allow and deny networks, and our own addresses are refused") {
  const AddressPolicy policy(Guard::guarded, {*Cidr::parse("127.0.0.1")}, {*Cidr::parse("10.0.0.0/8")},
                             {*IpAddress::parse("192.168.7.7")});
  CHECK(policy.allows(*IpAddress::parse("127.0.0.1")));
  CHECK_FALSE(policy.allows(*IpAddress::parse("127.0.0.2")));
  CHECK_FALSE(policy.allows(*IpAddress::parse("10.1.1.1")));
  CHECK_FALSE(policy.allows(*IpAddress::parse("192.168.7.7")));
}

TEST_CASE("One bad answer of the resolver refuses the name") {
  const AddressPolicy guarded(Guard::guarded, {}, {});
  const auto answers = [](std::vector<const char*> texts) {
    return [texts](const std::string&) {
      std::vector<IpAddress> addresses;
      for (const char* text : texts) addresses.push_back(*IpAddress::parse(text));
      return addresses;
    };
  };
  CHECK(resolve_checked("a.example", guarded, answers({"192.0.2.1", "2001:db8::1"})).size() == 2);
  CHECK_THROWS_AS(resolve_checked("a.example", guarded, answers({"192.0.2.1", "127.0.0.1"})), Error);
  CHECK_THROWS_WITH(resolve_checked("a.example", guarded, answers({"127.0.0.1"})), !Catch::Contains("127."));
  CHECK_THROWS_AS(resolve_checked("2130706433", guarded, answers({"192.0.2.1"})), Error);
  CHECK_THROWS_AS(resolve_checked("a.example", guarded, answers({})), Error);
}

}  // namespace
}  // namespace certctl::http
