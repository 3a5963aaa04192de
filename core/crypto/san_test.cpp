#include "core/crypto/san.hpp"

#include <catch2/catch.hpp>

#include "core/base/error.hpp"

using namespace certctl;
using namespace certctl::crypto;

TEST_CASE("a SAN text is classed by its form and made canonical") {
  CHECK(classify_san("WWW.Example.com") == San{SanKind::dns, "www.example.com"});
  CHECK(classify_san("*.example.com") == San{SanKind::dns, "*.example.com"});
  CHECK(classify_san("localhost") == San{SanKind::dns, "localhost"});
  CHECK(classify_san("m\xc3\xbcnchen.de") == San{SanKind::dns, "xn--mnchen-3ya.de"});
  CHECK(classify_san("192.0.2.1") == San{SanKind::ip, "192.0.2.1"});
  CHECK(classify_san("[2001:DB8::1]") == San{SanKind::ip, "2001:db8::1"});
  CHECK(classify_san("::ffff:192.0.2.1") == San{SanKind::ip, "192.0.2.1"});
  CHECK(classify_san("Ann@Example.COM") == San{SanKind::email, "Ann@example.com"});
  CHECK(classify_san("https://example.com/a") == San{SanKind::uri, "https://example.com/a"});
  CHECK(classify_san("urn:uuid:1") == San{SanKind::uri, "urn:uuid:1"});
  CHECK(classify_san("spiffe://example.org/ns/x") == San{SanKind::uri, "spiffe://example.org/ns/x"});
}

TEST_CASE("a text that is no name is refused and named") {
  for (const auto bad : {"", "a b.example", "a,DNS:b.example", "-a.example", "a..example", "a.*.example",
                         "a@b@c.example", "@example.com", "a@", "spiffe://Example.org/x", "spiffe://example.org/../x",
                         "x://a b", "*", "a\x7f.example", "a\xff.example", "192.0.2.1/24"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(classify_san(bad), Error);
  }
  CHECK_THROWS_AS(classify_san(std::string(64, 'a') + ".example"), Error);
  CHECK_THROWS_WITH(classify_san("a b"), Catch::StartsWith("SAN \"a b\" is not a host name"));
  CHECK_THROWS_AS(classify_sans({"spiffe://a.example/x", "https://b.example"}), Error);
}

TEST_CASE("duplicate names are dropped and order is kept") {
  const auto sans = classify_sans({"b.example", "a.example", "B.EXAMPLE", "192.0.2.1", "::ffff:192.0.2.1"});
  CHECK(san_texts(sans) == std::vector<std::string>{"b.example", "a.example", "192.0.2.1"});
  CHECK(same_names(sans, classify_sans({"192.0.2.1", "a.example", "b.example"})));
  CHECK_FALSE(same_names(sans, classify_sans({"a.example", "b.example"})));
}

TEST_CASE("a common name is checked with upstream's texts") {
  CHECK_THROWS_WITH(check_common_name(""), "common_name is required");
  CHECK_THROWS_WITH(check_common_name(std::string(254, 'a')), "common_name must be 253 characters or fewer");
  CHECK_THROWS_WITH(check_common_name("-a.b"),
                    "invalid hostname format: hostname labels cannot start or end with hyphen");
  CHECK_THROWS_WITH(check_common_name("a..b"), "invalid hostname format: hostname has empty label");
  CHECK_THROWS_WITH(check_common_name("a b"), "invalid hostname format: hostname contains invalid character:  ");
  CHECK_THROWS_WITH(check_common_name("a@"), "invalid email format for S/MIME common name: a@");
  CHECK_THROWS_AS(check_common_name("Ann <a@b.example>"), Error);
  CHECK_THROWS_AS(check_common_name("a.*.b"), Error);
  CHECK_THROWS_WITH(check_common_name("a\xe2\x80\x8b.b"),
                    "invalid hostname format: hostname contains zero-width character U+200B at byte offset 1");
  CHECK(canonical_common_name("\xe6\x97\xa5\xe6\x9c\xac.example") == "xn--wgv71a.example");
  CHECK(canonical_common_name("WWW.Example.com") == "WWW.Example.com");
  CHECK(canonical_common_name("2001:db8::1") == "2001:db8::1");
  CHECK(canonical_common_name("ann@example.com") == "ann@example.com");
}

TEST_CASE("characters that deceive the eye are found with their place") {
  CHECK_FALSE(deceptive_character("www.example.com"));
  CHECK_FALSE(deceptive_character("\xe6\x97\xa5\xe6\x9c\xac.example"));
  CHECK(deceptive_character("a\xe2\x80\xae.example") ==
        "contains bidirectional override character U+202E at byte offset 1");
  CHECK(deceptive_character("a\nb") == "contains control character U+000A at byte offset 1");
  CHECK(deceptive_character("www.p\xd0\xb0ypal.com") ==
        "label \"p\xd0\xb0ypal\" mixes ASCII with non-ASCII script character U+0430 at byte offset 5");
}
