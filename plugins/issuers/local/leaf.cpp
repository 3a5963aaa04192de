#include "leaf.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <ctime>

#include <fmt/format.h>

#include <certctl/status.hpp>

#include "extensions.hpp"

namespace certctl::local {

namespace {

using common::openssl_reason;
using common::Owned;

[[noreturn]] void broken(std::string_view what) {
  throw Error(Status::internal, fmt::format("{} failed: {}", what, openssl_reason()));
}

std::int64_t seconds(const ASN1_TIME* time) {
  std::tm fields{};
  if (ASN1_TIME_to_tm(time, &fields) != 1) broken("reading a time");
  return ::timegm(&fields);
}

/// UTCTime through 2049, GeneralizedTime after (RFC 5280 §4.1.2.5): X509_time_adj picks.
void set_validity(X509* leaf, const LeafPlan& plan) {
  time_t from = plan.not_before, to = plan.not_after;
  if (!X509_time_adj_ex(X509_getm_notBefore(leaf), 0, 0, &from) ||
      !X509_time_adj_ex(X509_getm_notAfter(leaf), 0, 0, &to)) {
    broken("setting the validity");
  }
}

void set_serial(X509* leaf, const std::string& hex) {
  const bool digits = !hex.empty() && hex.size() <= 40 && hex.find_first_not_of("0123456789abcdef") == hex.npos;
  BIGNUM* number = nullptr;
  if (digits) BN_hex2bn(&number, hex.c_str());
  const Owned<BIGNUM, BN_free> owner(number);
  // Positive, 20 octets at most, also with the sign octet (RFC 5280 §4.1.2.2).
  if (!number || BN_is_zero(number) || BN_num_bits(number) > 159) {
    throw invalid_request("the serial number must be positive and have 20 octets at most");
  }
  if (!BN_to_ASN1_INTEGER(number, X509_get_serialNumber(leaf))) broken("setting the serial number");
}

std::string authority_key_identifier(const X509* issuer) {
  const ASN1_OCTET_STRING* identifier = X509_get0_subject_key_id(const_cast<X509*>(issuer));
  if (!identifier) return key_identifier(X509_get0_pubkey_bitstr(issuer));
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(identifier)),
          std::size_t(ASN1_STRING_length(identifier))};
}

}  // namespace

std::vector<Certificate> parse_chain(std::string_view pem) {
  const Owned<BIO, BIO_free_all> input(BIO_new_mem_buf(pem.data(), int(pem.size())));
  std::vector<Certificate> chain;
  for (;;) {
    X509* certificate = X509_new_ex(common::library_context(), nullptr);
    if (!PEM_read_bio_X509(input.get(), &certificate, nullptr, nullptr)) {
      X509_free(certificate);
      ERR_clear_error();
      break;
    }
    chain.emplace_back(certificate);
  }
  if (chain.empty()) throw invalid_config("CA initialization failed: the key has no CA certificate");
  return chain;
}

std::int64_t not_after(const X509* certificate) { return seconds(X509_get0_notAfter(certificate)); }
std::int64_t not_before(const X509* certificate) { return seconds(X509_get0_notBefore(certificate)); }

std::string display_name(const X509* certificate) {
  char text[256] = {};
  const X509_NAME* subject = X509_get_subject_name(certificate);
  if (X509_NAME_get_text_by_NID(const_cast<X509_NAME*>(subject), NID_commonName, text, sizeof text) > 0) return text;
  X509_NAME_oneline(subject, text, sizeof text);
  return text;
}

std::string key_identifier(const ASN1_BIT_STRING* public_key) {
  return common::sha256({reinterpret_cast<const char*>(ASN1_STRING_get0_data(public_key)),
                         std::size_t(ASN1_STRING_length(public_key))})
      .substr(0, 20);
}

Certificate build_leaf(const LeafPlan& plan) {
  Certificate leaf(X509_new_ex(common::library_context(), nullptr));
  EVP_PKEY* key = X509_REQ_get0_pubkey(const_cast<X509_REQ*>(plan.request));
  if (!leaf || !X509_set_version(leaf.get(), X509_VERSION_3) || !X509_set_pubkey(leaf.get(), key) ||
      !X509_set_issuer_name(leaf.get(), X509_get_subject_name(plan.issuer)) ||
      !X509_set_subject_name(leaf.get(), plan.subject.get())) {
    broken("building the certificate");
  }
  set_serial(leaf.get(), plan.serial);
  set_validity(leaf.get(), plan);

  ExtensionWriter extensions(leaf.get());
  extensions.authority_key_identifier(authority_key_identifier(plan.issuer));
  extensions.subject_key_identifier(key_identifier(X509_get0_pubkey_bitstr(leaf.get())));
  extensions.key_usage(plan.usage.key_usage);
  extensions.extended_key_usage(plan.usage.extended, plan.usage.extended_critical);
  if (plan.basic_constraints) extensions.not_a_ca();
  extensions.subject_alternative_names(plan.names.list(), X509_NAME_entry_count(plan.subject.get()) == 0);
  extensions.distribution_points(plan.crl_urls);
  extensions.authority_information(plan.ocsp_urls, plan.ca_issuers_urls);
  extensions.policies(plan.policies);
  if (plan.must_staple) extensions.must_staple();
  return leaf;
}

void check_name_constraints(X509* leaf, const NameSet& names, const std::vector<Certificate>& chain) {
  for (const Certificate& ca : chain) {
    const Owned<NAME_CONSTRAINTS, NAME_CONSTRAINTS_free> constraints(
        static_cast<NAME_CONSTRAINTS*>(X509_get_ext_d2i(ca.get(), NID_name_constraints, nullptr, nullptr)));
    if (!constraints || NAME_CONSTRAINTS_check(leaf, constraints.get()) == X509_V_OK) continue;
    // Which one it was: each name alone.
    for (const San& san : names.list()) {
      const Certificate probe(X509_new_ex(common::library_context(), nullptr));
      ExtensionWriter(probe.get()).subject_alternative_names({san}, false);
      if (NAME_CONSTRAINTS_check(probe.get(), constraints.get()) != X509_V_OK) {
        throw invalid_request(fmt::format("SAN \"{}\" violates CA name constraints", san.value));
      }
    }
    throw invalid_request("the subject violates CA name constraints");
  }
}

}  // namespace certctl::local
