#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <string>
#include <string_view>

#include <certctl/services.hpp>

/// For connectors that sign with keys the host holds. Needs OpenSSL 3; include it only there.
namespace certctl::openssl {

/// How a key of `KeyDescription::algorithm` signs certificates: RSA-* with SHA-256, ECDSA-P256 with SHA-256, ECDSA-P384
/// with SHA-384.
struct SignatureAlgorithm {
  int nid;
  const char* digest;
  bool null_parameters;  ///< RSA: NULL, ECDSA: absent (RFC 5758)
};

/// Throws Error(invalid_config).
inline SignatureAlgorithm signature_algorithm(std::string_view key_algorithm) {
  if (key_algorithm.starts_with("RSA-")) return {NID_sha256WithRSAEncryption, "SHA256", true};
  if (key_algorithm == "ECDSA-P256") return {NID_ecdsa_with_SHA256, "SHA256", false};
  if (key_algorithm == "ECDSA-P384") return {NID_ecdsa_with_SHA384, "SHA384", false};
  throw invalid_config("signer: unsupported key algorithm " + std::string(key_algorithm));
}

/// DER of `SEQUENCE { parts… }`.
inline std::string der_sequence(std::string_view parts) {
  std::string der(std::size_t(ASN1_object_size(1, int(parts.size()), V_ASN1_SEQUENCE)), '\0');
  auto* cursor = reinterpret_cast<unsigned char*>(der.data());
  ASN1_put_object(&cursor, 1, int(parts.size()), V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
  const std::size_t head = std::size_t(cursor - reinterpret_cast<unsigned char*>(der.data()));
  der.replace(head, parts.size(), parts);
  return der;
}

/// `encode` is an i2d function: `der_of(algorithm, i2d_X509_ALGOR)`.
template <typename T, typename Encode>
std::string der_of(T* object, Encode encode) {
  const int size = encode(object, nullptr);
  if (size <= 0) throw Error(Status::internal, "OpenSSL could not encode an object");
  std::string der(std::size_t(size), '\0');
  auto* cursor = reinterpret_cast<unsigned char*>(der.data());
  encode(object, &cursor);
  return der;
}

/// `name`: `SHA256`. Throws Error(internal).
inline std::string digest_of(OSSL_LIB_CTX* context, const char* name, std::string_view bytes) {
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  std::size_t size = digest.size();
  auto* out = reinterpret_cast<unsigned char*>(digest.data());
  if (EVP_Q_digest(context, name, nullptr, bytes.data(), bytes.size(), out, &size) != 1) {
    throw Error(Status::internal, std::string(name) + " is not available");
  }
  digest.resize(size);
  return digest;
}

/// Completes `certificate`, which has everything but its signature, and returns the DER of the whole. OpenSSL 3.0 has no
/// call that sets a signature, so the outer SEQUENCE is put together here. Throws Error.
inline std::string sign_certificate(const Call& call, OSSL_LIB_CTX* context, X509* certificate,
                                    const KeyDescription& key) {
  const SignatureAlgorithm algorithm = signature_algorithm(key.algorithm);
  // The inner copy of the algorithm belongs to the signed part (RFC 5280 §4.1.2.3) and has no setter of its own.
  auto* inner = const_cast<X509_ALGOR*>(X509_get0_tbs_sigalg(certificate));
  X509_ALGOR_set0(inner, OBJ_nid2obj(algorithm.nid), algorithm.null_parameters ? V_ASN1_NULL : V_ASN1_UNDEF, nullptr);
  const std::string tbs = der_of(certificate, i2d_re_X509_tbs);

  const std::string signature =
      sign_digest(call, key.ref, algorithm.digest, digest_of(context, algorithm.digest, tbs));

  ASN1_BIT_STRING* bits = ASN1_BIT_STRING_new();
  ASN1_BIT_STRING_set(bits, reinterpret_cast<unsigned char*>(const_cast<char*>(signature.data())), int(signature.size()));
  bits->flags = (bits->flags & ~(ASN1_STRING_FLAG_BITS_LEFT | 0x07)) | ASN1_STRING_FLAG_BITS_LEFT;  // no unused bits
  const std::string bit_string = der_of(bits, i2d_ASN1_BIT_STRING);
  ASN1_BIT_STRING_free(bits);
  return der_sequence(tbs + der_of(inner, i2d_X509_ALGOR) + bit_string);
}

}  // namespace certctl::openssl
