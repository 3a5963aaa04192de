#pragma once

#include "core/domain/described.hpp"
#include "core/domain/enums.hpp"

namespace certctl::domain {

/// One key a profile lets through: Ed25519 counts as 256 bits.
struct KeyRule {
  std::string algorithm;
  std::int32_t min_size = 0;
};
BOOST_DESCRIBE_STRUCT(KeyRule, (), (algorithm, min_size))

/// What may be issued (lifecycle §12).
struct CertificateProfile {
  std::string id;
  std::string name;
  std::string description;
  std::vector<KeyRule> allowed_key_algorithms;
  std::int32_t max_ttl_seconds = 0;  ///< 0: no cap
  std::vector<std::string> allowed_ekus;
  std::vector<std::string> required_san_patterns;   ///< RE2, anchored; each must match at least one SAN
  std::vector<std::string> permitted_san_patterns;  ///< RE2, anchored; each SAN must match one
  std::string spiffe_uri_pattern;
  bool allow_short_lived = false;
  bool must_staple = false;
  std::vector<std::string> required_csr_attributes;
  std::string acme_auth_mode = "trust_authenticated";
  bool requires_approval = false;
  json::Raw issuer_options;  ///< laid over the issuer's settings, `x-per-request` fields only
  bool enabled = true;
  Time created_at{};
  Time updated_at{};
  Hidden<std::int64_t> row_version{1};
};
BOOST_DESCRIBE_STRUCT(CertificateProfile, (),
                      (id, name, description, allowed_key_algorithms, max_ttl_seconds, allowed_ekus, required_san_patterns,
                       permitted_san_patterns, spiffe_uri_pattern, allow_short_lived, must_staple, required_csr_attributes,
                       acme_auth_mode, requires_approval, issuer_options, enabled, created_at, updated_at, row_version))

}  // namespace certctl::domain
