#include "core/crypto/self_signed.hpp"

#include <openssl/bn.h>

#include <algorithm>

#include "core/base/random.hpp"
#include "core/crypto/x509_parts.hpp"

namespace certctl::crypto {
namespace {

using X509Owner = Owned<X509, X509_free>;

void check(bool good) {
  if (!good) throw openssl_error("making a certificate");
}

void add(X509* certificate, const ExtensionOwner& extension) {
  check(X509_add_ext(certificate, extension.get(), -1) == 1);
}

/// RFC 5280 §4.1.2.2 with ca-crl-ocsp.md §5.4: positive, always 20 octets, 158 random bits.
void set_random_serial(X509* certificate) {
  std::array<std::uint8_t, 20> octets;
  fill_random(octets);
  octets[0] = std::uint8_t((octets[0] & 0x3f) | 0x40);
  const Owned<BIGNUM, BN_free> number(BN_bin2bn(octets.data(), int(octets.size()), nullptr));
  check(number != nullptr && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr);
}

void set_validity(X509* certificate, Time from, Time to) {
  const auto seconds = [](Time time) {
    return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  };
  check(ASN1_TIME_set(X509_getm_notBefore(certificate), seconds(from)) != nullptr &&
        ASN1_TIME_set(X509_getm_notAfter(certificate), seconds(to)) != nullptr);
}

void add_basic_constraints(X509* certificate) {
  const Owned<BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free> constraints(BASIC_CONSTRAINTS_new());
  check(constraints != nullptr);
  constraints->ca = 0xff;
  add(certificate, make_extension(NID_basic_constraints, true, constraints.get()));
}

/// Bit numbers of RFC 5280 §4.2.1.3.
void add_key_usage(X509* certificate, std::initializer_list<int> bits) {
  const Owned<ASN1_BIT_STRING, ASN1_BIT_STRING_free> usage(ASN1_BIT_STRING_new());
  check(usage != nullptr);
  for (const int bit : bits) check(ASN1_BIT_STRING_set_bit(usage.get(), bit, 1) == 1);
  add(certificate, make_extension(NID_key_usage, true, usage.get()));
}

void add_server_auth(X509* certificate) {
  const Owned<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free> usages(EXTENDED_KEY_USAGE_new());
  check(usages != nullptr && sk_ASN1_OBJECT_push(usages.get(), OBJ_nid2obj(NID_server_auth)) > 0);
  add(certificate, make_extension(NID_ext_key_usage, false, usages.get()));
}

Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> octet_string(const Bytes& bytes) {
  Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> string(ASN1_OCTET_STRING_new());
  check(string != nullptr && ASN1_OCTET_STRING_set(string.get(), bytes.data(), int(bytes.size())) == 1);
  return string;
}

void add_key_identifiers(X509* certificate, const Bytes& subject, const Bytes& authority) {
  add(certificate, make_extension(NID_subject_key_identifier, false, octet_string(subject).get()));
  const Owned<AUTHORITY_KEYID, AUTHORITY_KEYID_free> id(AUTHORITY_KEYID_new());
  check(id != nullptr);
  id->keyid = octet_string(authority).release();
  add(certificate, make_extension(NID_authority_key_identifier, false, id.get()));
}

X509Owner begin(const PrivateKey& key, const X509_NAME* subject, const X509_NAME* issuer) {
  X509Owner certificate(X509_new_ex(library_context(), nullptr));
  check(certificate != nullptr);
  set_random_serial(certificate.get());
  check(X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
        X509_set_subject_name(certificate.get(), subject) == 1 &&
        X509_set_issuer_name(certificate.get(), issuer) == 1 &&
        X509_set_pubkey(certificate.get(), key.native()) == 1);
  return certificate;
}

Certificate finish(X509Owner certificate, const PrivateKey& signer) {
  check(X509_sign_ctx(certificate.get(), signing_context(signer).get()) > 0);
  return adopt_certificate(certificate.release());
}

}  // namespace

std::string Identity::full_pem() const { return Chain{certificate, chain}.full_pem(); }

Identity make_root(const RootOptions& options, Time now) {
  PrivateKey key = PrivateKey::generate(options.key_algorithm);
  const auto name = make_name(options.common_name);
  X509Owner certificate = begin(key, name.get(), name.get());
  set_validity(certificate.get(), now, now + options.validity);
  const Bytes id = key.public_key().key_identifier();
  add_basic_constraints(certificate.get());
  add_key_usage(certificate.get(), {5, 6});  // keyCertSign, cRLSign
  add_key_identifiers(certificate.get(), id, id);
  Certificate made = finish(std::move(certificate), key);
  return {std::move(key), std::move(made)};
}

Identity issue_server_certificate(const Identity& root, const ServerOptions& options, Time now) {
  const std::vector<San> sans = classify_sans(options.names);
  if (sans.empty()) throw invalid("a server certificate needs at least one name");
  PrivateKey key = PrivateKey::generate(options.key_algorithm);
  const auto fits = std::ranges::find_if(sans, [](const San& san) { return san.value.size() <= 64; });
  const auto subject = make_name(fits != sans.end() ? fits->value : std::string());
  X509Owner certificate = begin(key, subject.get(), X509_get_subject_name(root.certificate.native()));
  set_validity(certificate.get(), std::max(now - options.backdate, root.certificate.not_before()),
               std::min(now + options.validity, root.certificate.not_after()));
  if (key.algorithm() == "RSA") {
    add_key_usage(certificate.get(), {0, 2});  // digitalSignature, keyEncipherment
  } else {
    add_key_usage(certificate.get(), {0});
  }
  add_server_auth(certificate.get());
  add(certificate.get(), make_san_extension(sans, fits == sans.end()));
  const Bytes root_id = root.certificate.subject_key_identifier();
  add_key_identifiers(certificate.get(), key.public_key().key_identifier(),
                      root_id.empty() ? root.key.public_key().key_identifier() : root_id);
  Certificate made = finish(std::move(certificate), root.key);
  return {std::move(key), std::move(made), {root.certificate}};
}

}  // namespace certctl::crypto
