#include "core/crypto/certificate.hpp"

#include <openssl/bn.h>
#include <openssl/err.h>

#include <algorithm>

#include "core/crypto/hash.hpp"
#include "core/crypto/x509_parts.hpp"

namespace certctl::crypto {
namespace {

constexpr std::string_view kLabels[] = {"CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"};

bool is_certificate_block(const PemBlock& block) {
  return std::ranges::find(kLabels, block.label) != std::end(kLabels);
}

template <typename T, auto Free>
Owned<T, Free> extension_value(const X509* certificate, int nid) {
  Owned<T, Free> value(static_cast<T*>(X509_get_ext_d2i(certificate, nid, nullptr, nullptr)));
  ERR_clear_error();
  return value;
}

Bytes octets(const ASN1_STRING* string) {
  if (string == nullptr) return {};
  const unsigned char* data = ASN1_STRING_get0_data(string);
  return Bytes(data, data + ASN1_STRING_length(string));
}

int position_of(const X509* certificate, std::string_view oid) {
  const Owned<ASN1_OBJECT, ASN1_OBJECT_free> object(OBJ_txt2obj(std::string(oid).c_str(), 1));
  if (object == nullptr) throw openssl_error("reading an OID");
  return X509_get_ext_by_OBJ(certificate, object.get(), -1);
}

}  // namespace

Certificate::Certificate(std::shared_ptr<X509> certificate) : certificate_(std::move(certificate)) {
  // OpenSSL fills its caches at first use; done here, the object is read-only from now on.
  X509_check_purpose(certificate_.get(), -1, 0);
  ERR_clear_error();
}

Certificate adopt_certificate(X509* certificate) {
  return Certificate(std::shared_ptr<X509>(certificate, X509_free));
}

Certificate Certificate::from_der(std::span<const std::uint8_t> der) {
  if (der.size() > kMaxObjectBytes) throw invalid("certificate is larger than 64 KiB");
  X509* certificate = X509_new_ex(library_context(), nullptr);
  if (certificate == nullptr) throw openssl_error("reading a certificate");
  const unsigned char* at = der.data();
  // On failure d2i frees the object that it was given.
  if (d2i_X509(&certificate, &at, long(der.size())) == nullptr) {
    throw invalid("not a certificate: " + openssl_reason());
  }
  const std::shared_ptr<X509> owner(certificate, X509_free);
  if (at != der.data() + der.size()) throw invalid("not a certificate: bytes follow it");
  if (X509_get0_pubkey(certificate) == nullptr) throw invalid("certificate has no usable key: " + openssl_reason());
  return Certificate(owner);
}

Certificate Certificate::from_pem(std::string_view pem) { return parse_pem_certificates(pem).front(); }

Bytes Certificate::der() const { return to_der<X509>(native(), i2d_X509); }
std::string Certificate::pem() const { return write_pem("CERTIFICATE", der()); }
std::string Certificate::subject() const { return name_text(X509_get_subject_name(native())); }
std::string Certificate::issuer() const { return name_text(X509_get_issuer_name(native())); }
std::string Certificate::common_name() const { return name_common_name(X509_get_subject_name(native())); }
Bytes Certificate::subject_der() const { return name_der(X509_get_subject_name(native())); }
Bytes Certificate::issuer_der() const { return name_der(X509_get_issuer_name(native())); }

std::string Certificate::serial() const {
  const Owned<BIGNUM, BN_free> number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(native()), nullptr));
  if (number == nullptr) throw openssl_error("reading a serial number");
  char* hex = BN_bn2hex(number.get());
  if (hex == nullptr) throw openssl_error("reading a serial number");
  std::string text = lower(hex);
  OPENSSL_free(hex);
  const std::size_t sign = text.starts_with('-') ? 1 : 0;
  while (text.size() > sign + 1 && text[sign] == '0') text.erase(sign, 1);
  return text;
}

Time Certificate::not_before() const { return time_of(X509_get0_notBefore(native())); }
Time Certificate::not_after() const { return time_of(X509_get0_notAfter(native())); }

std::vector<San> Certificate::sans() const {
  return read_sans(extension_value<GENERAL_NAMES, GENERAL_NAMES_free>(native(), NID_subject_alt_name).get());
}

std::string Certificate::fingerprint_sha256() const { return sha256_hex(der()); }

PublicKey Certificate::public_key() const {
  EVP_PKEY* key = X509_get_pubkey(native());
  if (key == nullptr) throw invalid("certificate has no usable key: " + openssl_reason());
  return PublicKey(std::shared_ptr<EVP_PKEY>(key, EVP_PKEY_free));
}

std::string Certificate::signature_algorithm() const {
  const int nid = X509_get_signature_nid(native());
  return nid == NID_undef ? "unknown" : OBJ_nid2ln(nid);
}

bool Certificate::is_ca() const {
  const auto constraints = extension_value<BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free>(native(), NID_basic_constraints);
  return constraints != nullptr && constraints->ca != 0;
}

std::optional<int> Certificate::path_length() const {
  const auto constraints = extension_value<BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free>(native(), NID_basic_constraints);
  if (constraints == nullptr || constraints->pathlen == nullptr) return std::nullopt;
  return int(ASN1_INTEGER_get(constraints->pathlen));
}

bool Certificate::may_sign_certificates() const { return (X509_get_key_usage(native()) & KU_KEY_CERT_SIGN) != 0; }
bool Certificate::may_sign_crls() const { return (X509_get_key_usage(native()) & KU_CRL_SIGN) != 0; }
Bytes Certificate::subject_key_identifier() const { return octets(X509_get0_subject_key_id(native())); }
Bytes Certificate::authority_key_identifier() const { return octets(X509_get0_authority_key_id(native())); }

std::vector<std::string> Certificate::extended_key_usages() const {
  const auto usages = extension_value<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free>(native(), NID_ext_key_usage);
  std::vector<std::string> oids;
  for (int i = 0; i < sk_ASN1_OBJECT_num(usages.get()); ++i) {
    oids.push_back(object_text(sk_ASN1_OBJECT_value(usages.get(), i)));
  }
  return oids;
}

bool Certificate::must_staple() const { return has_must_staple(X509_get0_extensions(native())); }
bool Certificate::has_extension(std::string_view oid) const { return position_of(native(), oid) >= 0; }

bool Certificate::is_critical(std::string_view oid) const {
  const int position = position_of(native(), oid);
  return position >= 0 && X509_EXTENSION_get_critical(X509_get_ext(native(), position)) == 1;
}

bool Certificate::is_signed_by(const PublicKey& key) const {
  const bool good = X509_verify(native(), key.native()) == 1;
  ERR_clear_error();
  return good;
}

bool Certificate::is_issued_by(const Certificate& issuer) const {
  return X509_NAME_cmp(X509_get_issuer_name(native()), X509_get_subject_name(issuer.native())) == 0 &&
         is_signed_by(issuer.public_key());
}

bool Certificate::is_self_signed() const { return subject_der() == issuer_der() && is_signed_by(public_key()); }

bool operator==(const Certificate& a, const Certificate& b) { return a.der() == b.der(); }

std::vector<Certificate> parse_pem_certificates(std::string_view text) {
  std::vector<Certificate> certificates;
  std::size_t position = 0;
  for (const PemBlock& block : read_pem(text)) {
    ++position;
    if (!is_certificate_block(block)) continue;
    try {
      certificates.push_back(Certificate::from_der(block.der));
    } catch (const Error& error) {
      throw Error(error.kind(), "PEM block " + std::to_string(position) + ": " + error.what());
    }
  }
  if (certificates.empty()) throw invalid("no certificate found in PEM");
  return certificates;
}

std::string Chain::issuers_pem() const {
  std::string text;
  for (const Certificate& issuer : issuers) text += issuer.pem();
  return text;
}

std::string Chain::full_pem() const { return leaf_pem() + issuers_pem(); }

Chain sort_chain(std::string_view leaf_spki_sha256, const std::vector<Certificate>& certificates) {
  const auto leaf = std::ranges::find(certificates, leaf_spki_sha256, &Certificate::spki_sha256);
  if (leaf == certificates.end()) throw invalid("no certificate in the chain belongs to the key");
  Chain chain{*leaf, {}};
  const Certificate* current = &*leaf;
  while (!current->is_self_signed() && chain.issuers.size() < certificates.size()) {
    const auto next = std::ranges::find_if(certificates, [&](const Certificate& candidate) {
      return candidate != *leaf && std::ranges::find(chain.issuers, candidate) == chain.issuers.end() &&
             current->is_issued_by(candidate);
    });
    if (next == certificates.end()) break;
    chain.issuers.push_back(*next);
    current = &*next;
  }
  return chain;
}

std::optional<std::string> canonical_serial(std::string_view text) {
  text = trim(text);
  if (starts_with_ignore_case(text, "0x")) text.remove_prefix(2);
  std::string digits;
  for (const char c : text) {
    if (c == ':' || c == '-' || c == ' ') continue;
    if (!std::isxdigit(static_cast<unsigned char>(c))) return std::nullopt;
    digits.push_back(c);
  }
  if (digits.empty()) return std::nullopt;
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  return lower(digits);
}

}  // namespace certctl::crypto
