#include "extensions.hpp"

#include <openssl/x509v3.h>

#include <algorithm>

#include <fmt/format.h>

#include <certctl/status.hpp>

#include "plugins/common/openssl.hpp"

namespace certctl::local {

namespace {

using common::Owned;
using GeneralNames = Owned<GENERAL_NAMES, GENERAL_NAMES_free>;

constexpr int kSmtpUtf8Mailbox = NID_id_on_SmtpUTF8Mailbox;

[[noreturn]] void broken(const char* what) {
  throw Error(Status::internal, fmt::format("building {} failed: {}", what, common::openssl_reason()));
}

template <typename String>
String* filled(String* string, std::string_view text) {
  if (!string || !ASN1_STRING_set(string, text.data(), int(text.size()))) broken("a text");
  return string;
}

ASN1_OBJECT* object(const std::string& oid) {
  ASN1_OBJECT* object = OBJ_txt2obj(oid.c_str(), 1);
  if (!object) throw invalid_request(fmt::format("\"{}\" is not an OID", oid));
  return object;
}

bool is_ascii(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

/// RFC 9598: a local part beyond ASCII does not fit into rfc822Name.
void set_utf8_mailbox(GENERAL_NAME* name, const std::string& address) {
  ASN1_TYPE* value = ASN1_TYPE_new();
  ASN1_TYPE_set(value, V_ASN1_UTF8STRING, filled(ASN1_UTF8STRING_new(), address));
  GENERAL_NAME_set0_othername(name, OBJ_nid2obj(kSmtpUtf8Mailbox), value);
}

GENERAL_NAME* general_name(const San& san) {
  GENERAL_NAME* name = GENERAL_NAME_new();
  switch (san.kind) {
    case San::Kind::dns:
      GENERAL_NAME_set0_value(name, GEN_DNS, filled(ASN1_IA5STRING_new(), san.value));
      break;
    case San::Kind::ip:
      GENERAL_NAME_set0_value(name, GEN_IPADD, filled(ASN1_OCTET_STRING_new(), address_octets(san.value).value()));
      break;
    case San::Kind::email:
      if (is_ascii(san.value))
        GENERAL_NAME_set0_value(name, GEN_EMAIL, filled(ASN1_IA5STRING_new(), san.value));
      else
        set_utf8_mailbox(name, san.value);
      break;
    case San::Kind::uri:
      GENERAL_NAME_set0_value(name, GEN_URI, filled(ASN1_IA5STRING_new(), san.value));
      break;
  }
  return name;
}

}  // namespace

void ExtensionWriter::add(int nid, void* value, bool critical) {
  if (X509_add1_ext_i2d(certificate_, nid, value, critical ? 1 : 0, X509V3_ADD_APPEND) != 1) broken(OBJ_nid2sn(nid));
}

void ExtensionWriter::authority_key_identifier(const std::string& key_identifier) {
  const Owned<AUTHORITY_KEYID, AUTHORITY_KEYID_free> value(AUTHORITY_KEYID_new());
  value->keyid = filled(ASN1_OCTET_STRING_new(), key_identifier);
  add(NID_authority_key_identifier, value.get(), false);
}

void ExtensionWriter::subject_key_identifier(const std::string& key_identifier) {
  const Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> value(filled(ASN1_OCTET_STRING_new(), key_identifier));
  add(NID_subject_key_identifier, value.get(), false);
}

void ExtensionWriter::key_usage(std::uint32_t bits) {
  const Owned<ASN1_BIT_STRING, ASN1_BIT_STRING_free> value(ASN1_BIT_STRING_new());
  // Bit 0 of the BIT STRING is the highest one of KU_'s first octet.
  for (int bit = 0; bit < 8; ++bit) {
    if (bits & (0x80u >> bit)) ASN1_BIT_STRING_set_bit(value.get(), bit, 1);
  }
  add(NID_key_usage, value.get(), true);
}

void ExtensionWriter::extended_key_usage(const std::vector<std::string>& oids, bool critical) {
  const Owned<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free> value(EXTENDED_KEY_USAGE_new());
  for (const std::string& oid : oids) sk_ASN1_OBJECT_push(value.get(), object(oid));
  if (!oids.empty()) add(NID_ext_key_usage, value.get(), critical);
}

void ExtensionWriter::not_a_ca() {
  const Owned<BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free> value(BASIC_CONSTRAINTS_new());
  add(NID_basic_constraints, value.get(), true);
}

void ExtensionWriter::subject_alternative_names(const std::vector<San>& names, bool critical) {
  if (names.empty()) return;
  const GeneralNames value(GENERAL_NAMES_new());
  for (const San& san : names) sk_GENERAL_NAME_push(value.get(), general_name(san));
  add(NID_subject_alt_name, value.get(), critical);
}

void ExtensionWriter::distribution_points(const std::vector<std::string>& urls) {
  if (urls.empty()) return;
  DIST_POINT* point = DIST_POINT_new();
  const Owned<CRL_DIST_POINTS, CRL_DIST_POINTS_free> value(CRL_DIST_POINTS_new());
  sk_DIST_POINT_push(value.get(), point);
  point->distpoint = DIST_POINT_NAME_new();
  point->distpoint->type = 0;  // fullName: all addresses lead to one CRL
  point->distpoint->name.fullname = GENERAL_NAMES_new();
  for (const std::string& url : urls) {
    sk_GENERAL_NAME_push(point->distpoint->name.fullname, general_name({San::Kind::uri, url}));
  }
  add(NID_crl_distribution_points, value.get(), false);
}

void ExtensionWriter::authority_information(const std::vector<std::string>& ocsp,
                                            const std::vector<std::string>& ca_issuers) {
  if (ocsp.empty() && ca_issuers.empty()) return;
  const Owned<AUTHORITY_INFO_ACCESS, AUTHORITY_INFO_ACCESS_free> value(AUTHORITY_INFO_ACCESS_new());
  const auto describe = [&](int method, const std::string& url) {
    ACCESS_DESCRIPTION* description = ACCESS_DESCRIPTION_new();
    ASN1_OBJECT_free(description->method);
    description->method = OBJ_nid2obj(method);
    GENERAL_NAME_free(description->location);
    description->location = general_name({San::Kind::uri, url});
    sk_ACCESS_DESCRIPTION_push(value.get(), description);
  };
  for (const std::string& url : ocsp) describe(NID_ad_OCSP, url);
  for (const std::string& url : ca_issuers) describe(NID_ad_ca_issuers, url);
  add(NID_info_access, value.get(), false);
}

void ExtensionWriter::policies(const std::vector<std::string>& oids) {
  if (oids.empty()) return;
  const Owned<CERTIFICATEPOLICIES, CERTIFICATEPOLICIES_free> value(CERTIFICATEPOLICIES_new());
  for (const std::string& oid : oids) {
    POLICYINFO* policy = POLICYINFO_new();
    ASN1_OBJECT_free(policy->policyid);
    policy->policyid = object(oid);
    sk_POLICYINFO_push(value.get(), policy);
  }
  add(NID_certificate_policies, value.get(), false);
}

void ExtensionWriter::must_staple() {
  const Owned<TLS_FEATURE, TLS_FEATURE_free> value(TLS_FEATURE_new());
  ASN1_INTEGER* status_request = ASN1_INTEGER_new();
  ASN1_INTEGER_set(status_request, 5);
  sk_ASN1_INTEGER_push(value.get(), status_request);
  add(NID_tlsfeature, value.get(), false);
}

}  // namespace certctl::local
