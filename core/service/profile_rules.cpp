#include "core/service/profile_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/base/error.hpp"
#include "core/service/patterns.hpp"

namespace certctl::service {
namespace {

using crypto::San;
using crypto::SanKind;
using domain::CertificateProfile;

struct Purpose {
  std::string_view name;
  std::string_view oid;
};
// RFC 5280 §4.2.1.12, RFC 4945 §5.1.3.12; the two of 1.3.6.1.4.1.311 are Microsoft's.
constexpr std::array kPurposes{
    Purpose{"serverAuth", "1.3.6.1.5.5.7.3.1"},       Purpose{"clientAuth", "1.3.6.1.5.5.7.3.2"},
    Purpose{"codeSigning", "1.3.6.1.5.5.7.3.3"},      Purpose{"emailProtection", "1.3.6.1.5.5.7.3.4"},
    Purpose{"timeStamping", "1.3.6.1.5.5.7.3.8"},     Purpose{"ipsecIKE", "1.3.6.1.5.5.7.3.17"},
    Purpose{"smartCardLogon", "1.3.6.1.4.1.311.20.2.2"}, Purpose{"documentSigning", "1.3.6.1.4.1.311.10.3.12"},
};
constexpr std::string_view kOcspSigning = "1.3.6.1.5.5.7.3.9";
constexpr std::string_view kAnyPurpose = "2.5.29.37.0";

/// First arc 0..2, second below 40 under 0 and 1, no leading zeros (X.660).
bool is_dotted_oid(std::string_view text) {
  const auto arcs = split(text, '.');
  if (arcs.size() < 2 || text.size() > 128) return false;
  for (const auto arc : arcs) {
    if (arc.empty() || arc.size() > 20 || (arc.size() > 1 && arc[0] == '0')) return false;
    if (!std::ranges::all_of(arc, [](char c) { return c >= '0' && c <= '9'; })) return false;
  }
  if (arcs[0].size() != 1 || arcs[0][0] > '2') return false;
  return arcs[0] == "2" || arcs[1].size() == 1 || (arcs[1].size() == 2 && arcs[1][0] < '4');
}

std::string describe(const std::vector<domain::KeyRule>& rules) {
  std::vector<std::string> parts;
  for (const auto& rule : rules) {
    parts.push_back(rule.algorithm == "Ed25519" ? rule.algorithm : fmt::format("{} >= {}", rule.algorithm, rule.min_size));
  }
  return join(parts, ", ");
}

std::vector<San> all_names(std::string_view common_name, std::vector<San> names) {
  if (common_name.empty()) return names;
  try {
    const San name = crypto::classify_san(common_name);
    if (name.kind == SanKind::dns || name.kind == SanKind::ip) crypto::add_san(names, name);
  } catch (const Error&) {  // "Device 7" names no host: nothing that a SAN rule is about
    return names;
  }
  return names;
}

bool matches_any(const std::vector<std::string>& patterns, const San& name) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) { return matches_whole(pattern, name.value); });
}

void check_spiffe_id(const CertificateProfile& profile, const std::vector<San>& names) {
  std::vector<std::string> uris;
  for (const San& name : names) {
    if (name.kind == SanKind::uri) uris.push_back(name.value);
  }
  if (uris.size() != 1) {
    throw invalid(fmt::format("profile \"{}\" wants exactly one SPIFFE ID as URI SAN, the request has {}", profile.name, uris.size()));
  }
  if (!matches_whole(profile.spiffe_uri_pattern, uris[0])) {
    throw invalid(fmt::format("SPIFFE ID \"{}\" does not match profile pattern", printable(uris[0])));
  }
}

}  // namespace

void check_key(const CertificateProfile& profile, const crypto::PublicKey& key) {
  if (const std::string fault = key.weakness(); !fault.empty()) throw invalid(fault);
  const auto& rules = profile.allowed_key_algorithms;
  const bool allowed = rules.empty() || std::ranges::any_of(rules, [&](const domain::KeyRule& rule) {
    return rule.algorithm == key.algorithm() && (rule.algorithm == "Ed25519" || key.bits() >= rule.min_size);
  });
  if (!allowed) {
    throw invalid(fmt::format("CSR key ({} {}-bit) does not match any allowed algorithm in profile \"{}\": {}", key.algorithm(),
                              key.bits(), profile.name, describe(rules)));
  }
}

void check_names(const CertificateProfile& profile, std::string_view common_name, const std::vector<San>& sans) {
  const auto names = all_names(common_name, sans);
  for (const auto& pattern : profile.required_san_patterns) {
    if (std::ranges::none_of(names, [&](const San& name) { return matches_whole(pattern, name.value); })) {
      throw invalid(fmt::format("required SAN pattern \"{}\" matches no SAN", printable(pattern)));
    }
  }
  if (!profile.permitted_san_patterns.empty()) {
    for (const San& name : names) {
      if (!matches_any(profile.permitted_san_patterns, name)) {
        throw invalid(fmt::format("SAN \"{}\" not permitted by profile", printable(name.value)));
      }
    }
  }
  if (!profile.spiffe_uri_pattern.empty()) check_spiffe_id(profile, names);
}

void check_request(const CertificateProfile& profile, const crypto::PublicKey& key, std::string_view common_name,
                   const std::vector<San>& sans) {
  check_key(profile, key);
  check_names(profile, common_name, sans);
}

std::string eku_oid(std::string_view name) {
  const auto known = std::ranges::find(kPurposes, name, &Purpose::name);
  if (known != kPurposes.end()) return std::string(known->oid);
  return is_dotted_oid(name) && name != kOcspSigning && name != kAnyPurpose ? std::string(name) : std::string();
}

std::vector<std::string> ekus_of(const CertificateProfile& profile) {
  std::vector<std::string> oids;
  for (const auto& name : profile.allowed_ekus) {
    std::string oid = eku_oid(name);
    if (oid.empty()) throw invalid(fmt::format("unknown EKU \"{}\"", printable(name)));
    if (std::ranges::find(oids, oid) == oids.end()) oids.push_back(std::move(oid));
  }
  return oids;
}

std::string key_algorithm_of(const CertificateProfile& profile) {
  const auto takes_default = [](const domain::KeyRule& rule) { return rule.algorithm == "ECDSA" && rule.min_size <= 256; };
  if (profile.allowed_key_algorithms.empty() || std::ranges::any_of(profile.allowed_key_algorithms, takes_default))
    return std::string(kDefaultKeyAlgorithm);
  const auto& [algorithm, size] = profile.allowed_key_algorithms.front();
  if (algorithm == "Ed25519") return "Ed25519";
  if (algorithm == "ECDSA") return size <= 384 ? "ECDSA-P384" : "ECDSA-P521";
  return size <= 2048 ? "RSA-2048" : size <= 3072 ? "RSA-3072" : "RSA-4096";
}

}  // namespace certctl::service
