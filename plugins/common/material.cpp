#include "plugins/common/material.hpp"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>

#include "plugins/common/openssl.hpp"

namespace certctl::common {
namespace {

using std::chrono::system_clock;
using Certificate = Owned<X509, X509_free>;
using PrivateKey = Owned<EVP_PKEY, EVP_PKEY_free>;

Owned<BIO, BIO_free_all> reader(std::string_view text) {
  return Owned<BIO, BIO_free_all>(BIO_new_mem_buf(text.data(), int(text.size())));
}

std::vector<Certificate> parse_certificates(std::string_view pem, std::string_view what) {
  std::vector<Certificate> certificates;
  const auto input = reader(pem);
  while (true) {
    X509* certificate = X509_new_ex(library_context(), nullptr);
    ERR_clear_error();
    if (PEM_read_bio_X509(input.get(), &certificate, nullptr, nullptr) == nullptr) {
      X509_free(certificate);
      const unsigned long code = ERR_peek_last_error();
      const bool at_end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
      const std::string reason = openssl_reason();
      if (at_end) return certificates;
      throw invalid_request(std::string(what) + " is not a certificate in PEM: " + reason);
    }
    certificates.emplace_back(certificate);
  }
}

int refuse_passphrase(char*, int, int, void*) { return -1; }

PrivateKey parse_key(std::string_view pem) {
  EVP_PKEY* key = PEM_read_bio_PrivateKey_ex(reader(pem).get(), nullptr, refuse_passphrase, nullptr, library_context(),
                                             nullptr);
  const std::string reason = openssl_reason();
  if (key == nullptr) throw invalid_request("the private key cannot be read: " + reason);
  return PrivateKey(key);
}

std::string der_of(const X509* certificate) {
  unsigned char* data = nullptr;
  const int size = i2d_X509(certificate, &data);
  if (size < 0) throw Error(Status::internal, "a certificate cannot be encoded: " + openssl_reason());
  std::string der(reinterpret_cast<const char*>(data), std::size_t(size));
  OPENSSL_free(data);
  return der;
}

std::string fingerprint_of(const X509* certificate) { return sha256_hex(der_of(certificate)); }

std::string pem_of(const X509* certificate) {
  const Owned<BIO, BIO_free_all> output(BIO_new(BIO_s_mem()));
  if (output == nullptr || PEM_write_bio_X509(output.get(), certificate) != 1) {
    throw Error(Status::internal, "a certificate cannot be written: " + openssl_reason());
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(output.get(), &data);
  return {data, std::size_t(size)};
}

std::string serial_of(X509* certificate) {
  const Owned<BIGNUM, BN_free> number(ASN1_INTEGER_to_BN(X509_get_serialNumber(certificate), nullptr));
  char* hex = number ? BN_bn2hex(number.get()) : nullptr;
  if (hex == nullptr) throw Error(Status::internal, "a serial number cannot be read");
  std::string text(hex);
  OPENSSL_free(hex);
  std::ranges::transform(text, text.begin(), [](char c) { return c >= 'A' && c <= 'F' ? char(c + 32) : c; });
  text.erase(0, std::min(text.find_first_not_of('0'), text.size() - 1));
  return text;
}

system_clock::time_point time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) throw invalid_request("the certificate has a malformed validity date");
  return system_clock::from_time_t(::timegm(&parts));
}

std::string first_dns_name(const X509* certificate) {
  const Owned<GENERAL_NAMES, GENERAL_NAMES_free> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS) continue;
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
            std::size_t(ASN1_STRING_length(name->d.dNSName))};
  }
  return {};
}

std::string key_type_of(const X509* certificate) {
  const EVP_PKEY* key = X509_get0_pubkey(certificate);
  if (key == nullptr) throw invalid_request("the certificate has no usable key: " + openssl_reason());
  if (EVP_PKEY_is_a(key, "EC") == 1) return "ECDSA";
  if (EVP_PKEY_is_a(key, "ED25519") == 1) return "Ed25519";
  const char* name = EVP_PKEY_get0_type_name(key);
  return name != nullptr ? name : "unknown";
}

std::string subject_of(const X509* certificate) {
  char name[256] = "";
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
  const std::string common_name(name);
  return common_name.empty() ? "(no common name)" : common_name;
}

bool is_issued_by(X509* certificate, X509* issuer) {
  EVP_PKEY* key = X509_get0_pubkey(issuer);
  const bool good = key != nullptr &&
                    X509_NAME_cmp(X509_get_issuer_name(certificate), X509_get_subject_name(issuer)) == 0 &&
                    X509_verify(certificate, key) == 1;
  ERR_clear_error();
  return good;
}

/// Walks from the leaf to the last issuer there is. What is left over makes the order ambiguous: refused.
std::vector<Certificate> in_order(X509* leaf, std::vector<Certificate> given) {
  std::vector<Certificate> rest, ordered;
  for (Certificate& candidate : given) {
    const bool repeated =
        X509_cmp(candidate.get(), leaf) == 0 ||
        std::ranges::any_of(rest, [&](const Certificate& kept) { return X509_cmp(kept.get(), candidate.get()) == 0; });
    if (!repeated) rest.push_back(std::move(candidate));
  }
  X509* current = leaf;
  while (!rest.empty()) {
    const auto next = std::ranges::find_if(rest, [&](const Certificate& c) { return is_issued_by(current, c.get()); });
    if (next == rest.end()) {
      throw invalid_request("the chain does not fit: no certificate in it issued \"" + subject_of(current) + "\"");
    }
    ordered.push_back(std::move(*next));
    rest.erase(next);
    current = ordered.back().get();
  }
  return ordered;
}

void check_key(const X509* leaf, std::string_view key_pem) {
  const PrivateKey key = parse_key(key_pem);
  const bool fits = EVP_PKEY_eq(X509_get0_pubkey(leaf), key.get()) == 1;
  ERR_clear_error();
  if (!fits) {
    throw invalid_request("private key does not belong to certificate " + subject_of(leaf) + " (SHA-256 " +
                          fingerprint_of(leaf) + ")");
  }
}

void check_dates(const X509* leaf, system_clock::time_point now) {
  constexpr auto kSkew = std::chrono::minutes(5);
  if (time_of(X509_get0_notBefore(leaf)) > now + kSkew) {
    throw invalid_request("certificate " + subject_of(leaf) + " is not yet valid");
  }
  if (time_of(X509_get0_notAfter(leaf)) <= now) {
    throw invalid_request("certificate " + subject_of(leaf) + " has expired");
  }
}

}  // namespace

Material check_material(std::string_view leaf_pem, std::string_view chain_pem, SecretText key_pkcs8,
                        SecretText key_original, bool force, system_clock::time_point now) {
  const auto leaves = parse_certificates(leaf_pem, "the leaf");
  if (leaves.size() != 1) throw invalid_request("the leaf must be exactly one certificate in PEM");
  X509* leaf = leaves.front().get();
  Material material;
  material.key_type = key_type_of(leaf);
  if (!key_pkcs8.empty()) check_key(leaf, key_pkcs8.view());
  if (!key_original.empty()) check_key(leaf, key_original.view());
  if (!force) check_dates(leaf, now);
  for (const Certificate& issuer : in_order(leaf, parse_certificates(chain_pem, "the chain"))) {
    material.chain += pem_of(issuer.get());
    material.chain_fingerprints.push_back(fingerprint_of(issuer.get()));
  }
  material.leaf = pem_of(leaf);
  material.key_pkcs8 = std::move(key_pkcs8);
  material.key_original = std::move(key_original);
  material.fingerprint = fingerprint_of(leaf);
  material.serial = serial_of(leaf);
  material.not_after = time_of(X509_get0_notAfter(leaf));
  material.first_name = first_dns_name(leaf);
  return material;
}

Material read_material(const Call& call) {
  return check_material(call.get(key::leaf), call.get(key::chain), SecretText::copy_of(call.get(key::key_pkcs8)),
                        SecretText::copy_of(call.get(key::key_original)), call.flag(key::force), system_clock::now());
}

InstalledCertificate read_certificate(std::string_view pem) {
  X509* certificate = X509_new_ex(library_context(), nullptr);
  if (PEM_read_bio_X509(reader(pem).get(), &certificate, nullptr, nullptr) == nullptr) {
    X509_free(certificate);
    throw permanent("no certificate in PEM: " + openssl_reason());
  }
  const Certificate owner(certificate);
  return {fingerprint_of(certificate), serial_of(certificate), time_of(X509_get0_notAfter(certificate)),
          key_type_of(certificate), first_dns_name(certificate)};
}

void check_pair(std::string_view certificate_pem, std::string_view key_pem) {
  const auto certificates = parse_certificates(certificate_pem, "the certificate file");
  if (certificates.empty()) throw invalid_request("the certificate file holds no certificate");
  check_key(certificates.front().get(), key_pem);
}

}  // namespace certctl::common
