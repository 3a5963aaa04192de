#include "core/crypto/x509_parts.hpp"

#include <openssl/err.h>
#include <openssl/objects.h>

#include <algorithm>
#include <array>
#include <ctime>

namespace certctl::crypto {
namespace {

/// The attributes that Go knows, in the order in which it writes a name back to front.
struct Attribute {
  int nid;
  const char* text;
};
constexpr std::array kAttributes = {
    Attribute{NID_countryName, "C"},
    Attribute{NID_organizationName, "O"},
    Attribute{NID_organizationalUnitName, "OU"},
    Attribute{NID_localityName, "L"},
    Attribute{NID_stateOrProvinceName, "ST"},
    Attribute{NID_streetAddress, "STREET"},
    Attribute{NID_postalCode, "POSTALCODE"},
    Attribute{NID_commonName, "CN"},
    Attribute{NID_serialNumber, "SERIALNUMBER"},
};

std::string escaped(std::string_view value) {
  std::string out;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    const bool special = std::string_view(",+\"\\<>;").find(c) != std::string_view::npos;
    const bool outer_space = c == ' ' && (i == 0 || i + 1 == value.size());
    if (special || outer_space || (c == '#' && i == 0)) out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

/// Go writes values of unknown attributes as the DER of its own encoding: PrintableString where that suffices.
std::string unknown_attribute(const X509_NAME_ENTRY* entry) {
  const std::string value = string_text(X509_NAME_ENTRY_get_data(entry));
  const bool printable_only = std::ranges::all_of(value, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(" '()+,-./:=?").find(c) != std::string_view::npos;
  });
  const Owned<ASN1_STRING, ASN1_STRING_free> string(
      ASN1_STRING_type_new(printable_only ? V_ASN1_PRINTABLESTRING : V_ASN1_UTF8STRING));
  if (string == nullptr || ASN1_STRING_set(string.get(), value.data(), int(value.size())) != 1) {
    throw openssl_error("writing a name");
  }
  unsigned char* data = nullptr;
  const int size = i2d_ASN1_PRINTABLE(string.get(), &data);
  if (size < 0) throw openssl_error("writing a name");
  const std::string hex = to_hex({data, std::size_t(size)});
  OPENSSL_free(data);
  return object_text(X509_NAME_ENTRY_get_object(entry)) + "=#" + hex;
}

std::string ia5_text(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)), std::size_t(ASN1_STRING_length(string))};
}

San text_san(SanKind kind, std::string text) {
  const bool plain = std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
  if (!plain || text.empty()) return {SanKind::other, std::string(to_text(kind)) + ":" + printable(text)};
  if (kind == SanKind::dns) return {kind, lower(text)};
  const auto at = text.rfind('@');
  if (kind == SanKind::email && at != std::string::npos) return {kind, text.substr(0, at) + lower(text.substr(at))};
  return {kind, std::move(text)};
}

San other_name(const OTHERNAME* other) {
  const std::string type = object_text(other->type_id);
  constexpr std::string_view kSmtpUtf8Mailbox = "1.3.6.1.5.5.7.8.9";
  if (type == kSmtpUtf8Mailbox && other->value != nullptr && other->value->type == V_ASN1_UTF8STRING) {
    return {SanKind::email, printable(string_text(other->value->value.utf8string))};
  }
  return {SanKind::other, "otherName:" + type};
}

San read_san(const GENERAL_NAME* name) {
  switch (name->type) {
    case GEN_DNS: return text_san(SanKind::dns, ia5_text(name->d.dNSName));
    case GEN_EMAIL: return text_san(SanKind::email, ia5_text(name->d.rfc822Name));
    case GEN_URI: return text_san(SanKind::uri, ia5_text(name->d.uniformResourceIdentifier));
    case GEN_IPADD: {
      const std::string octets = ia5_text(name->d.iPAddress);
      if (octets.size() != 4 && octets.size() != 16) return {SanKind::other, "ip:" + to_hex(as_bytes(octets))};
      return {SanKind::ip, address_text(as_bytes(octets))};
    }
    case GEN_OTHERNAME: return other_name(name->d.otherName);
    case GEN_RID: return {SanKind::other, "registeredID:" + object_text(name->d.registeredID)};
    case GEN_DIRNAME: return {SanKind::other, "directoryName:" + name_text(name->d.directoryName)};
    default: return {SanKind::other, "unsupported"};
  }
}

ASN1_STRING* make_string(int type, std::string_view bytes) {
  Owned<ASN1_STRING, ASN1_STRING_free> string(ASN1_STRING_type_new(type));
  if (string == nullptr || ASN1_STRING_set(string.get(), bytes.data(), int(bytes.size())) != 1) {
    throw openssl_error("making a name");
  }
  return string.release();
}

void set_mailbox(GENERAL_NAME* name, std::string_view address) {
  const bool ascii = std::ranges::all_of(address, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (ascii) return GENERAL_NAME_set0_value(name, GEN_EMAIL, make_string(V_ASN1_IA5STRING, address));
  // RFC 9598: a local part beyond ASCII goes into an otherName.
  Owned<ASN1_TYPE, ASN1_TYPE_free> value(ASN1_TYPE_new());
  Owned<ASN1_OBJECT, ASN1_OBJECT_free> type(OBJ_txt2obj("1.3.6.1.5.5.7.8.9", 1));
  if (value == nullptr || type == nullptr) throw openssl_error("making a name");
  ASN1_TYPE_set(value.get(), V_ASN1_UTF8STRING, make_string(V_ASN1_UTF8STRING, address));
  if (GENERAL_NAME_set0_othername(name, type.get(), value.get()) != 1) throw openssl_error("making a name");
  static_cast<void>(type.release());
  static_cast<void>(value.release());
}

void set_value(GENERAL_NAME* name, const San& san) {
  switch (san.kind) {
    case SanKind::dns: return GENERAL_NAME_set0_value(name, GEN_DNS, make_string(V_ASN1_IA5STRING, san.value));
    case SanKind::uri: return GENERAL_NAME_set0_value(name, GEN_URI, make_string(V_ASN1_IA5STRING, san.value));
    case SanKind::email: return set_mailbox(name, san.value);
    case SanKind::ip: {
      const auto octets = address_octets(san.value);
      if (!octets) throw invalid("SAN \"" + printable(san.value) + "\" is not an address");
      return GENERAL_NAME_set0_value(name, GEN_IPADD, make_string(V_ASN1_OCTET_STRING, as_text(*octets)));
    }
    case SanKind::other: throw invalid("SAN \"" + printable(san.value) + "\" is of a kind that cannot be requested");
  }
}

}  // namespace

std::string object_text(const ASN1_OBJECT* object) {
  char text[256] = "";
  const int size = OBJ_obj2txt(text, sizeof text, object, 1);
  return size > 0 ? std::string(text, std::min<std::size_t>(std::size_t(size), sizeof text - 1)) : std::string();
}

std::string string_text(const ASN1_STRING* string) {
  unsigned char* data = nullptr;
  const int size = ASN1_STRING_to_UTF8(&data, string);
  if (size < 0) {
    ERR_clear_error();
    return printable(ia5_text(string));
  }
  std::string text(reinterpret_cast<const char*>(data), std::size_t(size));
  OPENSSL_free(data);
  return text.find('\0') == std::string::npos && is_utf8(text) ? text : printable(text);
}

std::string name_text(const X509_NAME* name) {
  std::vector<std::string> parts;  // in RDN order; the text is written from the last to the first
  const int count = X509_NAME_entry_count(name);
  const auto nid_of = [](const X509_NAME_ENTRY* entry) { return OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry)); };
  for (int i = 0; i < count; ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
    if (std::ranges::find(kAttributes, nid_of(entry), &Attribute::nid) == kAttributes.end()) {
      parts.push_back(unknown_attribute(entry));
    }
  }
  for (const Attribute& attribute : kAttributes) {
    std::string rdn;
    for (int i = 0; i < count; ++i) {
      const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
      if (nid_of(entry) != attribute.nid) continue;
      const bool only_last = attribute.nid == NID_commonName || attribute.nid == NID_serialNumber;
      const std::string part =
          std::string(attribute.text) + "=" + escaped(string_text(X509_NAME_ENTRY_get_data(entry)));
      rdn = rdn.empty() || only_last ? part : rdn + "+" + part;
    }
    if (!rdn.empty()) parts.push_back(std::move(rdn));
  }
  std::ranges::reverse(parts);
  return join(parts, ",");
}

std::string name_common_name(const X509_NAME* name) {
  std::string text;
  int at = -1;
  while ((at = X509_NAME_get_index_by_NID(name, NID_commonName, at)) >= 0) {
    text = string_text(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
  }
  return text;
}

Bytes name_der(const X509_NAME* name) { return to_der(name, i2d_X509_NAME); }

Time time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) throw invalid("certificate has a malformed validity date");
  return Time(std::chrono::seconds(timegm(&parts)));
}

std::vector<San> read_sans(const GENERAL_NAMES* names) {
  std::vector<San> sans;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) sans.push_back(read_san(sk_GENERAL_NAME_value(names, i)));
  return sans;
}

ExtensionOwner make_extension(int nid, bool critical, void* value) {
  ExtensionOwner extension(X509V3_EXT_i2d(nid, critical ? 1 : 0, value));
  if (extension == nullptr) throw openssl_error("making an extension");
  return extension;
}

ExtensionOwner make_san_extension(const std::vector<San>& sans, bool critical) {
  const Owned<GENERAL_NAMES, GENERAL_NAMES_free> names(GENERAL_NAMES_new());
  if (names == nullptr) throw openssl_error("making names");
  for (const San& san : sans) {
    Owned<GENERAL_NAME, GENERAL_NAME_free> name(GENERAL_NAME_new());
    if (name == nullptr) throw openssl_error("making a name");
    set_value(name.get(), san);
    if (sk_GENERAL_NAME_push(names.get(), name.get()) <= 0) throw openssl_error("making names");
    static_cast<void>(name.release());
  }
  return make_extension(NID_subject_alt_name, critical, names.get());
}

ExtensionOwner make_must_staple_extension() {
  static constexpr std::uint8_t kStatusRequest[] = {0x30, 0x03, 0x02, 0x01, 0x05};
  const Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> value(ASN1_OCTET_STRING_new());
  if (value == nullptr || ASN1_OCTET_STRING_set(value.get(), kStatusRequest, sizeof kStatusRequest) != 1) {
    throw openssl_error("making an extension");
  }
  ExtensionOwner extension(X509_EXTENSION_create_by_NID(nullptr, NID_tlsfeature, 0, value.get()));
  if (extension == nullptr) throw openssl_error("making an extension");
  return extension;
}

bool has_must_staple(const X509_EXTENSIONS* extensions) {
  constexpr long kStatusRequest = 5;
  const Owned<TLS_FEATURE, TLS_FEATURE_free> features(
      static_cast<TLS_FEATURE*>(X509V3_get_d2i(extensions, NID_tlsfeature, nullptr, nullptr)));
  ERR_clear_error();
  if (features == nullptr) return false;
  for (int i = 0; i < sk_ASN1_INTEGER_num(features.get()); ++i) {
    if (ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features.get(), i)) == kStatusRequest) return true;
  }
  return false;
}

Owned<X509_NAME, X509_NAME_free> make_name(std::string_view common_name) {
  Owned<X509_NAME, X509_NAME_free> name(X509_NAME_new());
  if (name == nullptr) throw openssl_error("making a subject");
  if (!common_name.empty() &&
      X509_NAME_add_entry_by_NID(name.get(), NID_commonName, V_ASN1_UTF8STRING,
                                 reinterpret_cast<const unsigned char*>(common_name.data()), int(common_name.size()),
                                 -1, 0) != 1) {
    throw openssl_error("making a subject");
  }
  return name;
}

Owned<EVP_MD_CTX, EVP_MD_CTX_free> signing_context(const PrivateKey& key) {
  const char* digest = "SHA256";
  if (key.algorithm() == "Ed25519") digest = nullptr;
  if (key.algorithm() == "ECDSA" && key.bits() > 256) digest = key.bits() <= 384 ? "SHA384" : "SHA512";
  Owned<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  if (context == nullptr || EVP_DigestSignInit_ex(context.get(), nullptr, digest, library_context(), nullptr,
                                                  key.native(), nullptr) != 1) {
    throw openssl_error("signing");
  }
  return context;
}

}  // namespace certctl::crypto
