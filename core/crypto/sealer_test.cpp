#include "core/crypto/sealer.hpp"

#include <catch2/catch.hpp>

#include "core/base/error.hpp"

using namespace certctl;
using namespace certctl::crypto;

namespace {

constexpr std::string_view kPassphrase = "correct-horse-battery-staple-0123456789";
constexpr std::string_view kPlain = R"({"token":"s.example"})";
constexpr SealedPlace kPlace{"issuance_intents", "int-1", "key_sealed"};

// security.md §7
constexpr std::string_view kV3 =
    "03000102030405060708090a0b0c0d0e0f202122232425262728292a2bda84323a179c661dd176a11bfda499980706d6712b8615357fe24991"
    "0285bdb9f0ea4f5ec7";
constexpr std::string_view kV4 =
    "041072f9d5cf2becb1202122232425262728292a2b025318e18e9670ae47cd4bcee1b1cda2251ef9ca0bc01d3d47e81c16f407ebf3adcec364"
    "31";
constexpr std::string_view kV2 =
    "02000102030405060708090a0b0c0d0e0f202122232425262728292a2b50363af341bf66d899add15805136cd5d2b96a7f2357e53454f82f29"
    "81ca3e5dbbee4b2f79";
constexpr std::string_view kV1 =
    "202122232425262728292a2b3e19767bb4a59e0fa2c527068dea9a47a6541346adcf9edef88c84cfa80b4ccab09bcab21b";

Sealer::Salt installation_salt() {
  Sealer::Salt salt;
  for (std::uint8_t i = 0; i < salt.size(); ++i) salt[i] = i;
  return salt;
}

Sealer sealer_of(std::string_view passphrase, std::vector<std::string_view> previous = {}) {
  std::vector<Secret> old;
  for (const auto text : previous) old.push_back(Secret::copy_of(text));
  return Sealer(Secret::copy_of(passphrase), installation_salt(), std::move(old));
}

Bytes bytes_of(std::string_view hex) { return from_hex(hex).value(); }
std::string text_of(const Secret& secret) {
  return secret.use([](std::string_view text) { return std::string(text); });
}
std::string code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  return "no error";
}

}  // namespace

TEST_CASE("every published sealing vector opens") {
  const auto sealer = sealer_of(kPassphrase);
  CHECK(text_of(sealer.open_config(bytes_of(kV3))) == kPlain);
  CHECK(text_of(sealer.open_config(bytes_of(kV2))) == kPlain);
  CHECK(text_of(sealer.open_config(bytes_of(kV1))) == kPlain);
  CHECK(text_of(sealer.open(kPlace, bytes_of(kV4))) == kPlain);
}

TEST_CASE("what is sealed today has the current format, a fresh nonce, and opens again") {
  const auto sealer = sealer_of(kPassphrase);
  const Bytes config = sealer.seal_config(kPlain);
  CHECK(config.size() == bytes_of(kV3).size());
  CHECK(to_hex(config).starts_with("03000102030405060708090a0b0c0d0e0f"));
  CHECK(text_of(sealer.open_config(config)) == kPlain);
  CHECK(config != sealer.seal_config(kPlain));
  const Bytes sealed = sealer.seal(kPlace, kPlain);
  CHECK(to_hex(sealed).starts_with("041072f9d5cf2becb1"));
  CHECK(text_of(sealer.open(kPlace, sealed)) == kPlain);
  CHECK(text_of(sealer.open(kPlace, sealer.seal(kPlace, ""))).empty());
}

TEST_CASE("a sealed value opens in no other place") {
  const auto sealer = sealer_of(kPassphrase);
  const Bytes sealed = sealer.seal(kPlace, kPlain);
  CHECK(code_of([&] { sealer.open({"issuance_intents", "int-2", "key_sealed"}, sealed); }) == "sealing_key_wrong");
  CHECK(code_of([&] { sealer.open({"issuance_intents", "int-1", "other_sealed"}, sealed); }) == "sealing_key_wrong");
  CHECK(code_of([&] { sealer.open(kPlace, bytes_of(kV3)); }) == "sealing_key_wrong");
}

TEST_CASE("a changed bit, a cut blob and a wrong passphrase do not open") {
  const auto sealer = sealer_of(kPassphrase);
  Bytes changed = bytes_of(kV3);
  changed.back() ^= 1;
  CHECK(code_of([&] { sealer.open_config(changed); }) == "sealing_key_wrong");
  CHECK(code_of([&] { sealer.open_config(Bytes{3, 1, 2}); }) == "sealing_key_wrong");
  CHECK(code_of([&] { sealer_of("another passphrase").open_config(bytes_of(kV1)); }) == "sealing_key_wrong");
  CHECK_THROWS_WITH(sealer.open_config({}), "ciphertext is empty");
}

TEST_CASE("previous passphrases open, and their values ask to be sealed again") {
  const auto sealer = sealer_of("tomorrow", {kPassphrase});
  CHECK(text_of(sealer.open_config(bytes_of(kV3))) == kPlain);
  CHECK(text_of(sealer.open(kPlace, bytes_of(kV4))) == kPlain);
  CHECK_FALSE(sealer.is_current_config(bytes_of(kV3)));
  CHECK_FALSE(sealer.is_current(bytes_of(kV4)));
  CHECK(sealer.is_current_config(sealer.seal_config(kPlain)));
  CHECK(sealer.is_current(sealer.seal(kPlace, kPlain)));
  CHECK(sealer_of(kPassphrase).is_current_config(bytes_of(kV3)));
  CHECK_FALSE(sealer_of(kPassphrase).is_current_config(bytes_of(kV2)));
}

TEST_CASE("without a passphrase nothing is sealed or opened") {
  const auto sealer = sealer_of("");
  CHECK_FALSE(sealer.has_key());
  CHECK(code_of([&] { sealer.seal_config(kPlain); }) == "sealing_key_missing");
  CHECK(code_of([&] { sealer.open(kPlace, bytes_of(kV4)); }) == "sealing_key_missing");
  CHECK(code_of([&] { sealer.prepare(); }) == "sealing_key_missing");
}
