#include "request.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include <certctl/status.hpp>

#include "unicode.hpp"
#include "weak_key.hpp"

namespace certctl::local {

namespace {

using common::openssl_reason;
using common::Owned;
using Bio = Owned<BIO, BIO_free_all>;

constexpr std::size_t kMaxDer = 64 * 1024;

[[noreturn]] void refuse(const std::string& text) { throw invalid_request(text); }

void check_text(std::string_view text, std::string_view where) {
  if (const auto reason = deceptive_character(text)) refuse(fmt::format("{} rejected: {}", where, *reason));
}

std::string utf8(const ASN1_STRING* text) {
  unsigned char* bytes = nullptr;
  const int size = ASN1_STRING_to_UTF8(&bytes, text);
  if (size < 0) refuse("invalid CSR: a name is in no known encoding");
  std::string result(reinterpret_cast<char*>(bytes), std::size_t(size));
  OPENSSL_free(bytes);
  return result;
}

std::string_view raw(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)), std::size_t(ASN1_STRING_length(text))};
}

const char* kind_name(int type) {
  switch (type) {
    case GEN_OTHERNAME:
      return "otherName";
    case GEN_DIRNAME:
      return "directoryName";
    case GEN_RID:
      return "registeredID";
    default:
      return "name of an unknown kind";
  }
}

/// One PEM block as DER; nullopt: there is none.
std::optional<std::string> next_block(BIO* input) {
  char* label = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  if (PEM_read_bio(input, &label, &header, &data, &size) != 1) {
    ERR_clear_error();
    return std::nullopt;
  }
  const std::string name(label);
  std::string der(reinterpret_cast<char*>(data), std::size_t(size));
  OPENSSL_free(label);
  OPENSSL_free(header);
  OPENSSL_free(data);
  if (name != PEM_STRING_X509_REQ && name != PEM_STRING_X509_REQ_OLD) refuse("invalid CSR PEM format");
  return der;
}

}  // namespace

Request parse_request(std::string_view pem) {
  const Bio input(BIO_new_mem_buf(pem.data(), int(pem.size())));
  const auto der = next_block(input.get());
  if (!der || next_block(input.get())) refuse("invalid CSR PEM format");
  return parse_request_der(*der);
}

Request parse_request_der(std::string_view der) {
  if (der.size() > kMaxDer) refuse("invalid CSR: larger than 64 KiB");
  ERR_clear_error();
  X509_REQ* object = X509_REQ_new_ex(common::library_context(), nullptr);
  const auto* cursor = reinterpret_cast<const unsigned char*>(der.data());
  const auto* end = cursor + der.size();
  if (!d2i_X509_REQ(&object, &cursor, long(der.size()))) refuse("invalid CSR: " + openssl_reason());
  Request request(object);
  if (cursor != end) refuse("invalid CSR: trailing bytes");
  EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  if (!key) refuse("invalid CSR: its public key cannot be read: " + openssl_reason());
  if (X509_REQ_verify_ex(request.get(), key, common::library_context(), nullptr) != 1) {
    ERR_clear_error();
    refuse("CSR signature verification failed");
  }
  check_key(key);
  return request;
}

std::string common_name(const X509_REQ* request) {
  const X509_NAME* subject = X509_REQ_get_subject_name(request);
  int last = -1;
  for (int i = -1; (i = X509_NAME_get_index_by_NID(subject, NID_commonName, i)) >= 0;) last = i;
  if (last < 0) return {};
  std::string name = utf8(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)));
  check_text(name, "CSR Subject.CommonName");
  return name;
}

void add_requested_names(X509_REQ* request, NameSet& names) {
  const Owned<STACK_OF(X509_EXTENSION),
              [](STACK_OF(X509_EXTENSION) * s) { sk_X509_EXTENSION_pop_free(s, X509_EXTENSION_free); }>
      extensions(X509_REQ_get_extensions(request));
  if (!extensions) return;
  int critical = 0;
  const Owned<GENERAL_NAMES, GENERAL_NAMES_free> sans(
      static_cast<GENERAL_NAMES*>(X509V3_get_d2i(extensions.get(), NID_subject_alt_name, &critical, nullptr)));
  if (!sans) {
    if (critical == -1) return;  // absent
    refuse("invalid CSR: its subjectAltName cannot be read");
  }
  for (int i = 0; i < sk_GENERAL_NAME_num(sans.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(sans.get(), i);
    switch (name->type) {
      case GEN_DNS: {
        const std::string text(raw(name->d.dNSName));
        check_text(text, fmt::format("CSR DNSNames entry \"{}\"", text));
        names.add(San::Kind::dns, text);
        break;
      }
      case GEN_EMAIL: {
        const std::string text(raw(name->d.rfc822Name));
        check_text(text, fmt::format("CSR EmailAddresses entry \"{}\"", text));
        names.add(San::Kind::email, text);
        break;
      }
      case GEN_URI:
        names.add(San::Kind::uri, raw(name->d.uniformResourceIdentifier));
        break;
      case GEN_IPADD: {
        const std::string_view octets = raw(name->d.iPAddress);
        if (octets.size() != 4 && octets.size() != 16) refuse("invalid CSR: an iPAddress has neither 4 nor 16 octets");
        names.add(San::Kind::ip, address_literal(octets));
        break;
      }
      default:
        refuse(fmt::format("SAN \"{}\" not permitted by profile", kind_name(name->type)));
    }
  }
}

namespace {

struct Attribute {
  int nid;
  int max;  ///< characters, the ub- bounds of RFC 5280 appendix A
};
constexpr auto kAttributes = std::to_array<Attribute>({
    {NID_countryName, 2},
    {NID_stateOrProvinceName, 128},
    {NID_localityName, 128},
    {NID_organizationName, 64},
    {NID_organizationalUnitName, 64},
    {NID_commonName, 64},
    {NID_serialNumber, 64},
    {NID_domainComponent, 63},
    {NID_userId, 256},
    {NID_pkcs9_emailAddress, 255},
    {NID_givenName, 64},
    {NID_surname, 64},
    {NID_title, 64},
});

std::size_t characters(std::string_view text) {
  return std::size_t(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string attribute_name(const ASN1_OBJECT* object) {
  char text[80] = {};
  const int nid = OBJ_obj2nid(object);
  if (nid != NID_undef) return OBJ_nid2sn(nid);
  OBJ_obj2txt(text, sizeof text, object, 1);
  return text;
}

void check_bounds(const Attribute& attribute, const std::string& name, const std::string& value) {
  const std::size_t length = characters(value);
  if (length == 0) refuse(fmt::format("CSR subject attribute {} is empty", name));
  if (attribute.nid == NID_countryName) {
    const bool letters =
        std::all_of(value.begin(), value.end(), [](char c) { return (c | 32) >= 'a' && (c | 32) <= 'z'; });
    if (length != 2 || !letters)
      refuse(fmt::format("CSR subject attribute C must be a two-letter code, not \"{}\"", value));
  }
  if (length > std::size_t(attribute.max)) {
    refuse(fmt::format("CSR subject attribute {} is longer than {} characters", name, attribute.max));
  }
}

}  // namespace

Name certified_subject(const X509_REQ* request, const NameSet& names, std::vector<std::string>& dropped) {
  const X509_NAME* subject = X509_REQ_get_subject_name(request);
  Name certified(X509_NAME_new());
  int last_set = -1;
  for (int i = 0; i < X509_NAME_entry_count(subject); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(subject, i);
    const ASN1_OBJECT* object = X509_NAME_ENTRY_get_object(entry);
    const int nid = OBJ_obj2nid(object);
    const auto known =
        std::find_if(kAttributes.begin(), kAttributes.end(), [nid](const Attribute& a) { return a.nid == nid; });
    const std::string name = attribute_name(object);
    if (known == kAttributes.end()) {
      dropped.push_back(name);
      continue;
    }
    const std::string value = utf8(X509_NAME_ENTRY_get_data(entry));
    if (nid == NID_commonName && characters(value) > 64 && names.contains(value)) {
      dropped.push_back(name);
      continue;
    }
    check_bounds(*known, name, value);
    const bool same_rdn = X509_NAME_ENTRY_set(entry) == last_set;  // multi-valued RDN: stays one
    if (X509_NAME_add_entry(certified.get(), entry, -1, same_rdn ? -1 : 0) != 1) {
      throw Error(Status::internal, "the subject could not be built: " + openssl_reason());
    }
    last_set = X509_NAME_ENTRY_set(entry);
  }
  return certified;
}

}  // namespace certctl::local
