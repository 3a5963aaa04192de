#pragma once

#include <openssl/types.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/text.hpp"
#include "core/crypto/key.hpp"
#include "core/crypto/pem.hpp"
#include "core/crypto/san.hpp"

namespace certctl::crypto {

/// One X.509 certificate (RFC 5280), parsed and immutable. Cheap to copy; safe to use from several threads.
class Certificate {
 public:
  /// Throws Error(invalid): not a certificate, trailing bytes, larger than kMaxObjectBytes.
  static Certificate from_der(std::span<const std::uint8_t> der);
  /// The first certificate of the text. Throws Error(invalid).
  static Certificate from_pem(std::string_view pem);

  Bytes der() const;
  std::string pem() const;  ///< canonical, see write_pem()

  /// RFC 4514 in Go's order: `CN=a.example,OU=Web,O=Example,C=DE`; unknown attributes last, as `1.2.3=#<hex DER>`.
  std::string subject() const;
  std::string issuer() const;
  std::string common_name() const;  ///< of the subject, the last one; empty: none
  /// DER of the two names, for byte-wise comparison.
  Bytes subject_der() const;
  Bytes issuer_der() const;

  /// Lower-case hex without leading zeros.
  std::string serial() const;
  Time not_before() const;
  Time not_after() const;

  /// In the certificate's order; kinds that have no text are SanKind::other with their type as value.
  std::vector<San> sans() const;
  std::string fingerprint_sha256() const;  ///< 64 lower-case hex digits of the SHA-256 over der()
  PublicKey public_key() const;
  std::string spki_sha256() const { return public_key().spki_sha256(); }
  std::string signature_algorithm() const;  ///< `ecdsa-with-SHA256`

  bool is_ca() const;  ///< basicConstraints CA:TRUE
  std::optional<int> path_length() const;
  bool may_sign_certificates() const;  ///< no keyUsage, or one with keyCertSign
  bool may_sign_crls() const;
  Bytes subject_key_identifier() const;    ///< empty: none
  Bytes authority_key_identifier() const;  ///< empty: none
  std::vector<std::string> extended_key_usages() const;  ///< dotted OIDs
  bool must_staple() const;                              ///< RFC 7633
  /// Whether extension `oid` (dotted) is there, and critical.
  bool has_extension(std::string_view oid) const;
  bool is_critical(std::string_view oid) const;

  /// Subject and issuer are the same bytes and its own key signed it.
  bool is_self_signed() const;
  /// Whether `issuer`'s key signed this certificate and `issuer`'s subject is this one's issuer.
  bool is_issued_by(const Certificate& issuer) const;
  bool is_signed_by(const PublicKey& key) const;

  X509* native() const { return certificate_.get(); }
  friend bool operator==(const Certificate& a, const Certificate& b);

 private:
  friend Certificate adopt_certificate(X509* certificate);
  explicit Certificate(std::shared_ptr<X509> certificate);
  std::shared_ptr<X509> certificate_;
};

/// Takes over the caller's reference.
Certificate adopt_certificate(X509* certificate);

/// Every certificate of the text, in its order; other blocks and text between are skipped.
/// Throws Error(invalid): `no certificate found in PEM`, or which block does not parse and why.
std::vector<Certificate> parse_pem_certificates(std::string_view text);

struct Chain {
  Certificate leaf;
  std::vector<Certificate> issuers;  ///< nearest first; each has signed the one before it

  std::string leaf_pem() const { return leaf.pem(); }
  std::string issuers_pem() const;
  /// Leaf first: what a TLS server serves.
  std::string full_pem() const;
};

/// Picks the leaf by its key and walks from issuer to issuer. Duplicates and certificates off the path are dropped.
/// Throws Error(invalid) when none has that key. `leaf_spki_sha256`: see PublicKey::spki_sha256().
Chain sort_chain(std::string_view leaf_spki_sha256, const std::vector<Certificate>& certificates);

/// `0x`, colons, dashes, spaces, upper case and leading zeros taken away; nullopt: not a serial number.
std::optional<std::string> canonical_serial(std::string_view text);

}  // namespace certctl::crypto
