#include "core/service/issuance_checks.hpp"

#include <certctl/keys.h>
#include <fmt/format.h>

#include <set>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/service/profile_rules.hpp"

namespace certctl::service {
namespace {

/// Names as texts: upstream's agent writes addresses and URIs as DNS names.
std::set<std::string> name_set(const std::string& common_name, const std::vector<std::string>& sans) {
  std::set<std::string> names;
  if (!common_name.empty()) names.insert(lower(common_name));
  for (const auto& san : sans) names.insert(lower(san));
  return names;
}

std::vector<std::string> canonical(const std::vector<std::string>& sans) {
  return crypto::san_texts(crypto::classify_sans(sans));
}

std::string list(const std::set<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + printable(name);
  return shorten(text, 300);
}

}  // namespace

void check_csr(const crypto::CertificateRequest& csr, const domain::Certificate& certificate, const std::optional<domain::CertificateProfile>& profile) {
  const auto wanted = name_set(certificate.common_name, canonical(certificate.sans));
  const auto asked = name_set(csr.common_name(), crypto::san_texts(csr.sans()));
  if (wanted != asked) {
    throw invalid(fmt::format("CSR names ({}) are not those of the certificate ({})", list(asked), list(wanted)));
  }
  if (const std::string weakness = csr.public_key().weakness(); !weakness.empty()) throw invalid("weak key: " + weakness);
  if (profile) check_request(*profile, csr.public_key(), certificate.common_name, csr.sans());
}

std::vector<crypto::Certificate> certificates_of(const plugin::Fields& answer) {
  std::vector<crypto::Certificate> out;
  for (const auto& value : answer.texts(CERTCTL_KEY_CERTIFICATES)) {
    if (value.find("-----BEGIN") != std::string::npos) {
      for (auto& certificate : crypto::parse_pem_certificates(value)) out.push_back(std::move(certificate));
    } else {
      out.push_back(crypto::Certificate::from_der(as_bytes(value)));
    }
  }
  if (out.empty()) throw invalid("the CA's answer holds no certificate");
  return out;
}

crypto::Chain check_issued(const std::vector<crypto::Certificate>& certificates, const crypto::CertificateRequest& csr,
                           const domain::Certificate& certificate, const IssuedLimits& limits, Time now) {
  const std::string spki = csr.public_key().spki_sha256();
  crypto::Chain chain = [&] {
    try {
      return crypto::sort_chain(spki, certificates);
    } catch (const Error&) {
      throw invalid("CA returned a certificate for another key");
    }
  }();
  const auto& leaf = chain.leaf;
  if (leaf.is_ca()) throw invalid("it is a CA certificate");
  if (leaf.not_after() <= now) throw invalid("it has expired");
  if (leaf.not_before() > now + std::chrono::minutes(10)) throw invalid("it is not valid for more than ten minutes from now");
  const auto names = name_set(leaf.common_name(), crypto::san_texts(leaf.sans()));
  for (const auto& wanted : name_set(certificate.common_name, canonical(certificate.sans))) {
    if (!names.contains(wanted)) throw invalid(fmt::format("the name {} is missing", printable(wanted)));
  }
  const auto lifetime = std::chrono::duration_cast<std::chrono::seconds>(leaf.not_after() - leaf.not_before()).count();
  if (limits.max_ttl_seconds > 0 && lifetime > limits.max_ttl_seconds + 60 && !limits.allow_longer) {
    throw invalid(fmt::format("CA ignored the TTL cap ({} s instead of at most {} s)", lifetime, limits.max_ttl_seconds));
  }
  return chain;
}

}  // namespace certctl::service
