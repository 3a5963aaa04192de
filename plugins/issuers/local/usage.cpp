#include "usage.hpp"

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include <certctl/status.hpp>

#include "plugins/common/openssl.hpp"

namespace certctl::local {

namespace {

enum class Purpose { tls, email, signature, time_stamping, refused };

struct Known {
  std::string_view name;
  std::string_view oid;
  Purpose purpose;
};
constexpr auto kKnown = std::to_array<Known>({
    {"serverAuth", "1.3.6.1.5.5.7.3.1", Purpose::tls},
    {"clientAuth", "1.3.6.1.5.5.7.3.2", Purpose::tls},
    {"codeSigning", "1.3.6.1.5.5.7.3.3", Purpose::signature},
    {"emailProtection", "1.3.6.1.5.5.7.3.4", Purpose::email},
    {"timeStamping", "1.3.6.1.5.5.7.3.8", Purpose::time_stamping},
    {"ipsecIKE", "1.3.6.1.5.5.7.3.17", Purpose::tls},
    {"smartCardLogon", "1.3.6.1.4.1.311.20.2.2", Purpose::signature},
    {"documentSigning", "1.3.6.1.4.1.311.10.3.12", Purpose::signature},
    {"ocspSigning", "1.3.6.1.5.5.7.3.9", Purpose::refused},
    {"anyExtendedKeyUsage", "2.5.29.37.0", Purpose::refused},
});

bool is_oid(const std::string& text) {
  const bool shaped =
      !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
  const common::Owned<ASN1_OBJECT, ASN1_OBJECT_free> object(shaped ? OBJ_txt2obj(text.c_str(), 1) : nullptr);
  return object != nullptr;
}

Known known(const std::string& wanted) {
  const auto found =
      std::find_if(kKnown.begin(), kKnown.end(), [&](const Known& k) { return k.name == wanted || k.oid == wanted; });
  if (found != kKnown.end() && found->purpose == Purpose::refused) {
    throw invalid_request(fmt::format("EKU \"{}\" is not for leaf certificates", wanted));
  }
  if (found != kKnown.end()) return *found;
  if (!is_oid(wanted)) throw invalid_request(fmt::format("unknown EKU \"{}\"", wanted));
  return {wanted, wanted, Purpose::signature};
}

}  // namespace

Usage usage_for(const std::vector<std::string>& wanted, EVP_PKEY* key, bool compat) {
  const std::vector<std::string> defaults = {"serverAuth", "clientAuth"};
  const bool rsa = EVP_PKEY_is_a(key, "RSA");
  Usage usage;
  usage.key_usage = KU_DIGITAL_SIGNATURE;
  for (const std::string& name : wanted.empty() ? defaults : wanted) {
    const Known eku = known(name);
    if (std::find(usage.extended.begin(), usage.extended.end(), eku.oid) != usage.extended.end()) continue;
    usage.extended.emplace_back(eku.oid);
    // RFC 5480 §3: an EC key in a TLS leaf signs; only RSA keys encipher.
    if (eku.purpose == Purpose::tls && (rsa || compat)) usage.key_usage |= KU_KEY_ENCIPHERMENT;
    if (eku.purpose == Purpose::email) {
      usage.email = true;
      usage.key_usage |= KU_NON_REPUDIATION;
      if (rsa) usage.key_usage |= KU_KEY_ENCIPHERMENT;
    }
    if (eku.purpose == Purpose::time_stamping) usage.extended_critical = true;
  }
  if (usage.extended_critical && usage.extended.size() > 1) {
    throw invalid_request("the EKU timeStamping must be the only one of its certificate");
  }
  return usage;
}

}  // namespace certctl::local
