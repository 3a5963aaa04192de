#include "core/crypto/key.hpp"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/encoder.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>

#include "core/crypto/hash.hpp"
#include "core/crypto/library.hpp"

namespace certctl::crypto {
namespace {

struct Curve {
  const char* group;
  const char* name;
};
constexpr std::array kCurves = {Curve{"prime256v1", "P256"}, Curve{"secp384r1", "P384"}, Curve{"secp521r1", "P521"}};

std::shared_ptr<EVP_PKEY> adopt(EVP_PKEY* key) { return {key, EVP_PKEY_free}; }

std::string group_of(EVP_PKEY* key) {
  char name[64] = "";
  std::size_t size = 0;
  return EVP_PKEY_get_group_name(key, name, sizeof name, &size) == 1 ? std::string(name, size) : std::string();
}

Owned<BIGNUM, BN_free> number_of(EVP_PKEY* key, const char* parameter) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key, parameter, &number) != 1) throw openssl_error("reading a key's parameter");
  return Owned<BIGNUM, BN_free>(number);
}

bool is_prime(unsigned n) {
  for (unsigned d = 2; d * d <= n; ++d) {
    if (n % d == 0) return false;
  }
  return n >= 2;
}

bool has_small_factor(const BIGNUM* modulus) {
  for (unsigned p = 2; p < 1000; ++p) {
    if (is_prime(p) && BN_mod_word(modulus, p) == 0) return true;
  }
  return false;
}

/// CVE-2017-15361: the primes of such a modulus are powers of 65537 modulo many small primes, and so is the modulus.
bool has_roca_fingerprint(const BIGNUM* modulus) {
  for (unsigned p = 3; p <= 167; ++p) {
    if (!is_prime(p)) continue;
    const auto rest = unsigned(BN_mod_word(modulus, p));
    unsigned power = 1;
    bool found = false;
    for (unsigned i = 0; i < p && !found; ++i, power = power * (65537 % p) % p) found = power == rest;
    if (!found) return false;
  }
  return true;
}

std::string rsa_weakness(EVP_PKEY* key, int bits) {
  if (bits < 2048 || bits > 8192) return "RSA keys must have 2048 to 8192 bits, this one has " + std::to_string(bits);
  const auto exponent = number_of(key, OSSL_PKEY_PARAM_RSA_E);
  if (BN_is_odd(exponent.get()) == 0 || (BN_num_bits(exponent.get()) <= 32 && BN_get_word(exponent.get()) < 65537)) {
    return "the RSA public exponent must be odd and at least 65537";
  }
  const auto modulus = number_of(key, OSSL_PKEY_PARAM_RSA_N);
  if (has_small_factor(modulus.get()) || has_roca_fingerprint(modulus.get())) return "weak key";
  return {};
}

int refuse_passphrase(char*, int, int, void*) { return -1; }

Secret encode(EVP_PKEY* key, const char* form, const char* structure) {
  const Owned<OSSL_ENCODER_CTX, OSSL_ENCODER_CTX_free> context(
      OSSL_ENCODER_CTX_new_for_pkey(key, EVP_PKEY_KEYPAIR, form, structure, nullptr));
  unsigned char* data = nullptr;
  std::size_t size = 0;
  if (context == nullptr || OSSL_ENCODER_to_data(context.get(), &data, &size) != 1) {
    throw openssl_error("writing a private key");
  }
  Secret secret = Secret::copy_of({reinterpret_cast<const char*>(data), size});
  OPENSSL_clear_free(data, size);
  return secret;
}

}  // namespace

PublicKey::PublicKey(std::shared_ptr<EVP_PKEY> key) : key_(std::move(key)) {
  if (key_ == nullptr) throw internal("a public key cannot be empty");
}

PublicKey PublicKey::from_spki(std::span<const std::uint8_t> der) {
  const unsigned char* at = der.data();
  EVP_PKEY* key = d2i_PUBKEY_ex(nullptr, &at, long(der.size()), library_context(), nullptr);
  if (key == nullptr) throw invalid("not a public key: " + openssl_reason());
  PublicKey result(adopt(key));
  if (at != der.data() + der.size()) throw invalid("not a public key: bytes follow it");
  return result;
}

std::string PublicKey::algorithm() const {
  if (EVP_PKEY_is_a(native(), "EC") == 1) return "ECDSA";
  if (EVP_PKEY_is_a(native(), "ED25519") == 1) return "Ed25519";
  const char* name = EVP_PKEY_get0_type_name(native());
  return name != nullptr ? name : "unknown";
}

int PublicKey::bits() const { return EVP_PKEY_get_bits(native()); }

std::string PublicKey::name() const {
  const std::string algorithm_name = algorithm();
  if (algorithm_name == "Ed25519") return algorithm_name;
  if (algorithm_name != "ECDSA") return algorithm_name + "-" + std::to_string(bits());
  const std::string group = group_of(native());
  const auto* curve = std::ranges::find(kCurves, group, &Curve::group);
  return "ECDSA-" + (curve != kCurves.end() ? std::string(curve->name) : group);
}

std::string PublicKey::weakness() const {
  const std::string type = algorithm();
  if (type == "Ed25519") return {};
  if (type == "RSA") return rsa_weakness(native(), bits());
  if (type != "ECDSA") return "keys of type " + type + " are not supported";
  const std::string group = group_of(native());
  if (std::ranges::find(kCurves, group, &Curve::group) != kCurves.end()) return {};
  return "curve " + (group.empty() ? std::string("of explicit parameters") : group) + " is not supported";
}

Bytes PublicKey::spki() const {
  unsigned char* data = nullptr;
  const int size = i2d_PUBKEY(native(), &data);
  if (size <= 0) throw openssl_error("writing a public key");
  Bytes der(data, data + size);
  OPENSSL_free(data);
  return der;
}

std::string PublicKey::spki_sha256() const { return sha256_hex(spki()); }

Bytes PublicKey::key_identifier() const {
  X509_PUBKEY* made = nullptr;
  if (X509_PUBKEY_set(&made, native()) != 1) throw openssl_error("writing a public key");
  const Owned<X509_PUBKEY, X509_PUBKEY_free> key(made);
  const unsigned char* data = nullptr;
  int size = 0;
  X509_PUBKEY_get0_param(nullptr, &data, &size, nullptr, key.get());
  const Digest256 digest = sha256({data, std::size_t(size)});
  return Bytes(digest.begin(), digest.begin() + 20);
}

bool PublicKey::verify_digest(std::string_view digest_name, std::span<const std::uint8_t> digest,
                              std::span<const std::uint8_t> signature) const {
  const Owned<EVP_MD, EVP_MD_free> method(
      EVP_MD_fetch(library_context(), std::string(digest_name).c_str(), nullptr));
  const Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(
      EVP_PKEY_CTX_new_from_pkey(library_context(), native(), nullptr));
  if (method == nullptr || context == nullptr || EVP_PKEY_verify_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_signature_md(context.get(), method.get()) != 1) {
    throw openssl_error("checking a signature");
  }
  const bool good =
      EVP_PKEY_verify(context.get(), signature.data(), signature.size(), digest.data(), digest.size()) == 1;
  ERR_clear_error();
  return good;
}

bool operator==(const PublicKey& a, const PublicKey& b) {
  const bool equal = EVP_PKEY_eq(a.native(), b.native()) == 1;
  ERR_clear_error();
  return equal;
}

PrivateKey PrivateKey::generate(std::string_view algorithm) {
  EVP_PKEY* key = nullptr;
  bool known = true;
  if (algorithm == "Ed25519") {
    key = EVP_PKEY_Q_keygen(library_context(), nullptr, "ED25519");
  } else if (algorithm == "RSA-2048" || algorithm == "RSA-3072" || algorithm == "RSA-4096") {
    const auto modulus_bits = std::size_t(parse_integer(algorithm.substr(4)).value());
    key = EVP_PKEY_Q_keygen(library_context(), nullptr, "RSA", modulus_bits);
  } else {
    const auto* curve = std::ranges::find_if(
        kCurves, [&](const Curve& c) { return algorithm == std::string("ECDSA-") + c.name; });
    known = curve != kCurves.end();
    if (known) key = EVP_PKEY_Q_keygen(library_context(), nullptr, "EC", curve->group);
  }
  if (!known) throw invalid("unsupported key algorithm \"" + printable(algorithm) + "\"");
  if (key == nullptr) throw openssl_error("generating a key");
  return PrivateKey(adopt(key));
}

PrivateKey PrivateKey::from_pem(std::string_view pem) {
  const Owned<BIO, BIO_free_all> input(BIO_new_mem_buf(pem.data(), int(pem.size())));
  if (input == nullptr) throw openssl_error("reading a private key");
  EVP_PKEY* key =
      PEM_read_bio_PrivateKey_ex(input.get(), nullptr, refuse_passphrase, nullptr, library_context(), nullptr);
  if (key == nullptr) {
    const bool encrypted = pem.find("ENCRYPTED") != std::string_view::npos;
    const std::string reason = openssl_reason();
    throw invalid(encrypted ? "private key is encrypted: decrypt it first" : "not a private key in PEM: " + reason);
  }
  ERR_clear_error();
  return PrivateKey(adopt(key));
}

PrivateKey PrivateKey::from_der(std::span<const std::uint8_t> der) {
  const unsigned char* at = der.data();
  EVP_PKEY* key = d2i_AutoPrivateKey_ex(nullptr, &at, long(der.size()), library_context(), nullptr);
  if (key == nullptr) throw invalid("not a private key: " + openssl_reason());
  PrivateKey result(adopt(key));
  if (at != der.data() + der.size()) throw invalid("not a private key: bytes follow it");
  ERR_clear_error();
  return result;
}

Secret PrivateKey::to_pem(KeyForm form) const {
  const bool has_traditional = EVP_PKEY_is_a(native(), "EC") == 1 || EVP_PKEY_is_a(native(), "RSA") == 1;
  const bool traditional = form == KeyForm::traditional && has_traditional;
  return encode(native(), "PEM", traditional ? "type-specific" : "PrivateKeyInfo");
}

Secret PrivateKey::to_der() const { return encode(native(), "DER", "PrivateKeyInfo"); }

Bytes PrivateKey::sign_digest(std::string_view digest_name, std::span<const std::uint8_t> digest) const {
  if (algorithm() == "Ed25519") throw invalid("an Ed25519 key signs messages, not digests");
  const Owned<EVP_MD, EVP_MD_free> method(
      EVP_MD_fetch(library_context(), std::string(digest_name).c_str(), nullptr));
  if (method == nullptr || EVP_MD_get_size(method.get()) != int(digest.size())) {
    ERR_clear_error();
    throw invalid("digest has not the size of " + printable(digest_name));
  }
  const Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(
      EVP_PKEY_CTX_new_from_pkey(library_context(), native(), nullptr));
  std::size_t size = 0;
  if (context == nullptr || EVP_PKEY_sign_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_signature_md(context.get(), method.get()) != 1 ||
      EVP_PKEY_sign(context.get(), nullptr, &size, digest.data(), digest.size()) != 1) {
    throw openssl_error("signing");
  }
  Bytes signature(size);
  if (EVP_PKEY_sign(context.get(), signature.data(), &size, digest.data(), digest.size()) != 1) {
    throw openssl_error("signing");
  }
  signature.resize(size);
  return signature;
}

}  // namespace certctl::crypto
