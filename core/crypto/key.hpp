#pragma once

#include <openssl/types.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/base/secret.hpp"
#include "core/base/text.hpp"

namespace certctl::crypto {

/// The public half of a key pair. Cheap to copy; safe to use from several threads.
class PublicKey {
 public:
  /// DER SubjectPublicKeyInfo. Throws Error(invalid).
  static PublicKey from_spki(std::span<const std::uint8_t> der);
  /// Shares `key`.
  explicit PublicKey(std::shared_ptr<EVP_PKEY> key);

  /// `RSA`, `ECDSA`, `Ed25519`, or what OpenSSL calls another type.
  std::string algorithm() const;
  /// Modulus or curve size; Ed25519 counts as 256.
  int bits() const;
  /// As settings spell it: `ECDSA-P256`, `RSA-2048`, `Ed25519`.
  std::string name() const;

  /// Why no CA should certify this key (RSA outside 2048..8192 bits, even or small exponent, foreign curve or type);
  /// empty: nothing is wrong with it.
  std::string weakness() const;

  Bytes spki() const;
  /// 64 lower-case hex digits of the SHA-256 over spki().
  std::string spki_sha256() const;
  /// RFC 7093 §2 method 1: leftmost 160 bits of the SHA-256 over the subjectPublicKey bits.
  Bytes key_identifier() const;

  /// Whether `signature` (DER for ECDSA, PKCS#1 v1.5 for RSA) is this key's over a digest made with `digest_name`.
  bool verify_digest(std::string_view digest_name, std::span<const std::uint8_t> digest,
                     std::span<const std::uint8_t> signature) const;

  EVP_PKEY* native() const { return key_.get(); }
  friend bool operator==(const PublicKey& a, const PublicKey& b);

 private:
  std::shared_ptr<EVP_PKEY> key_;
};

enum class KeyForm {
  pkcs8,        ///< `PRIVATE KEY`, RFC 5958
  traditional,  ///< `EC PRIVATE KEY` (SEC 1), `RSA PRIVATE KEY` (PKCS#1); PKCS#8 for types that have no such form
};

/// A private key in this process's memory. Cheap to copy (the key is shared); safe to use from several threads.
class PrivateKey {
 public:
  /// `ECDSA-P256`, `ECDSA-P384`, `ECDSA-P521`, `RSA-2048`, `RSA-3072`, `RSA-4096`, `Ed25519`.
  /// Throws Error(invalid) `unsupported key algorithm "<name>"`.
  static PrivateKey generate(std::string_view algorithm);
  /// One unencrypted key: PKCS#8, SEC 1 or PKCS#1; text around it is skipped. Throws Error(invalid).
  static PrivateKey from_pem(std::string_view pem);
  static PrivateKey from_der(std::span<const std::uint8_t> der);

  std::string algorithm() const { return public_key().algorithm(); }
  int bits() const { return public_key().bits(); }
  std::string name() const { return public_key().name(); }
  PublicKey public_key() const { return PublicKey(key_); }
  bool matches(const PublicKey& other) const { return public_key() == other; }

  Secret to_pem(KeyForm form = KeyForm::pkcs8) const;
  /// PKCS#8.
  Secret to_der() const;

  /// `digest` was made with `digest_name` (`SHA256`); answers DER for ECDSA, PKCS#1 v1.5 for RSA.
  /// Ed25519 signs no digests: Error(invalid).
  Bytes sign_digest(std::string_view digest_name, std::span<const std::uint8_t> digest) const;

  EVP_PKEY* native() const { return key_.get(); }

 private:
  explicit PrivateKey(std::shared_ptr<EVP_PKEY> key) : key_(std::move(key)) {}
  std::shared_ptr<EVP_PKEY> key_;
};

}  // namespace certctl::crypto
