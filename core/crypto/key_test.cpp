#include "core/crypto/key.hpp"

#include <catch2/catch.hpp>

#include "core/base/error.hpp"
#include "core/crypto/crypto_test_support.hpp"
#include "core/crypto/hash.hpp"
#include "core/crypto/pem.hpp"

using namespace certctl;
using namespace certctl::crypto;

namespace {

std::string text_of(const Secret& secret) {
  return secret.use([](std::string_view text) { return std::string(text); });
}

}  // namespace

TEST_CASE("digests and authentication codes equal the published vectors") {
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  // RFC 4231 §4.3
  CHECK(to_hex(hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(to_hex(hmac_sha256({}, {})) == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST_CASE("each key algorithm is generated with its size and name") {
  struct Expected {
    const char* name;
    const char* algorithm;
    int bits;
  };
  for (const auto& [name, algorithm, bits] :
       {Expected{"ECDSA-P256", "ECDSA", 256}, Expected{"ECDSA-P384", "ECDSA", 384},
        Expected{"ECDSA-P521", "ECDSA", 521}, Expected{"RSA-2048", "RSA", 2048}, Expected{"Ed25519", "Ed25519", 256}}) {
    CAPTURE(name);
    const auto key = PrivateKey::generate(name);
    CHECK(key.name() == name);
    CHECK(key.algorithm() == algorithm);
    CHECK(key.bits() == bits);
    CHECK(key.public_key().weakness().empty());
  }
  CHECK_THROWS_WITH(PrivateKey::generate("RSA-1024"), "unsupported key algorithm \"RSA-1024\"");
}

TEST_CASE("a key survives each written form, and the openssl program reads it") {
  const TemporaryFolder folder;
  for (const auto name : {"ECDSA-P256", "RSA-2048", "Ed25519"}) {
    for (const auto form : {KeyForm::pkcs8, KeyForm::traditional}) {
      CAPTURE(name, int(form));
      const auto key = PrivateKey::generate(name);
      const std::string pem = text_of(key.to_pem(form));
      CHECK(PrivateKey::from_pem(pem).matches(key.public_key()));
      const auto path = folder.write("key.pem", pem);
      const auto foreign = run("openssl pkey -in " + path + " -pubout -outform DER | sha256sum");
      CHECK(foreign.output.substr(0, 64) == key.public_key().spki_sha256());
    }
    const auto key = PrivateKey::generate(name);
    const Secret der = key.to_der();
    CHECK(der.use([](std::string_view bytes) { return PrivateKey::from_der(as_bytes(bytes)); })
              .matches(key.public_key()));
  }
  CHECK(text_of(PrivateKey::generate("ECDSA-P256").to_pem(KeyForm::traditional))
            .starts_with("-----BEGIN EC PRIVATE KEY-----\n"));
  CHECK(text_of(PrivateKey::generate("ECDSA-P256").to_pem()).starts_with("-----BEGIN PRIVATE KEY-----\n"));
}

TEST_CASE("keys made by the openssl program are read, encrypted ones refused") {
  const TemporaryFolder folder;
  REQUIRE(run("openssl ecparam -name secp384r1 -genkey -out " + folder.file("ec.pem")).status == 0);
  CHECK(PrivateKey::from_pem(folder.read("ec.pem")).name() == "ECDSA-P384");
  REQUIRE(run("openssl genrsa -traditional -out " + folder.file("rsa.pem") + " 2048").status == 0);
  CHECK(PrivateKey::from_pem(folder.read("rsa.pem")).name() == "RSA-2048");
  REQUIRE(run("openssl genrsa -aes128 -passout pass:secret -out " + folder.file("locked.pem") + " 2048").status == 0);
  CHECK_THROWS_WITH(PrivateKey::from_pem(folder.read("locked.pem")), "private key is encrypted: decrypt it first");
  CHECK_THROWS_WITH(PrivateKey::from_pem("nonsense"), Catch::StartsWith("not a private key in PEM"));
  CHECK_THROWS_AS(PrivateKey::from_der(as_bytes("nonsense")), Error);
}

TEST_CASE("a signature over a digest is verified by its key only") {
  for (const auto name : {"ECDSA-P256", "RSA-2048"}) {
    CAPTURE(name);
    const auto key = PrivateKey::generate(name);
    const auto digest = sha256("message");
    const Bytes signature = key.sign_digest("SHA256", digest);
    CHECK(key.public_key().verify_digest("SHA256", digest, signature));
    CHECK_FALSE(key.public_key().verify_digest("SHA256", sha256("other"), signature));
    CHECK_FALSE(PrivateKey::generate(name).public_key().verify_digest("SHA256", digest, signature));
    CHECK_THROWS_AS(key.sign_digest("SHA384", digest), Error);
  }
  CHECK_THROWS_AS(PrivateKey::generate("Ed25519").sign_digest("SHA256", sha256("x")), Error);
}

TEST_CASE("weak keys are named as such") {
  const TemporaryFolder folder;
  const auto weakness = [&](const std::string& command) {
    const auto made = run(command + " | openssl pkey -pubout -outform DER -out " + folder.file("spki.der"));
    CAPTURE(made.output);
    REQUIRE(made.status == 0);
    return PublicKey::from_spki(as_bytes(folder.read("spki.der"))).weakness();
  };
  CHECK(weakness("openssl genrsa 1024") == "RSA keys must have 2048 to 8192 bits, this one has 1024");
  CHECK(weakness("openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:3") ==
        "the RSA public exponent must be odd and at least 65537");
  CHECK(weakness("openssl ecparam -name secp256k1 -genkey") == "curve secp256k1 is not supported");
  CHECK(weakness("openssl genpkey -algorithm X25519") == "keys of type X25519 are not supported");
}

TEST_CASE("a modulus with the ROCA fingerprint is a weak key") {
  // 65537^128: a power of 65537 modulo every prime, which no modulus of two random primes is.
  const TemporaryFolder folder;
  const auto path = folder.write("roca.cnf",
                                 "asn1=SEQUENCE:spki\n[spki]\nalgorithm=SEQUENCE:rsa\nkey=BITWRAP,SEQUENCE:key\n"
                                 "[rsa]\nalgorithm=OID:rsaEncryption\nparameter=NULL\n[key]\nn=INTEGER:0x" +
                                     run("python3 -c 'print(\"%x\" % 65537**128)' | tr -d '\\n'").output +
                                     "\ne=INTEGER:65537\n");
  REQUIRE(run("openssl asn1parse -genconf " + path + " -noout -out " + folder.file("roca.der")).status == 0);
  CHECK(PublicKey::from_spki(as_bytes(folder.read("roca.der"))).weakness() == "weak key");
}

TEST_CASE("PEM is written in 64 columns and read among other text") {
  const Bytes der(100, 0x5a);
  const std::string pem = write_pem("THING", der);
  CHECK(pem.substr(0, 23) == "-----BEGIN THING-----\nW");
  CHECK(pem.find('\n', 22) == 22 + 64);
  const auto blocks = read_pem("Bag Attributes\n  x: y\n" + pem + "\r\njunk\n" + pem);
  REQUIRE(blocks.size() == 2);
  CHECK(blocks[1].label == "THING");
  CHECK(blocks[1].der == der);
  CHECK(read_pem("nothing here").empty());
  CHECK_THROWS_WITH(read_pem(pem + pem.substr(0, 60)), Catch::StartsWith("PEM block 2 is damaged"));
  CHECK_THROWS_WITH(read_pem(write_pem("THING", Bytes(kMaxObjectBytes + 1))), Catch::Contains("64 KiB"));
}
