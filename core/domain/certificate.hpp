#pragma once

#include "core/domain/described.hpp"
#include "core/domain/enums.hpp"

namespace certctl::domain {

/// An identity that is kept alive; each X.509 certificate issued for it is a version.
struct Certificate {
  std::string id;
  std::string name;
  std::string common_name;
  std::vector<std::string> sans;
  std::string environment;
  std::string owner_id;
  std::string team_id;
  std::string issuer_id;
  std::vector<std::string> target_ids;  ///< from certificate_target_mappings
  std::string renewal_policy_id;
  OptionalText certificate_profile_id;
  Word<CertificateStatus> status{CertificateStatus::Pending};
  ZeroTime expires_at;
  std::map<std::string, std::string> tags;
  std::optional<Time> last_renewal_at;
  std::optional<Time> last_deployment_at;
  std::optional<Time> revoked_at;
  OptionalText revocation_reason;
  OptionalText source;
  OptionalText current_version_id;
  OptionalText serial_number;       ///< of the current version
  OptionalText fingerprint_sha256;  ///< of the current version
  std::optional<Time> renew_after;
  std::string deployment_state = "none";
  OptionalText last_error;
  Time created_at{};
  Time updated_at{};
  Hidden<std::optional<Time>> renew_not_before;
  Hidden<std::int64_t> row_version{1};
};
BOOST_DESCRIBE_STRUCT(Certificate, (),
                      (id, name, common_name, sans, environment, owner_id, team_id, issuer_id, target_ids, renewal_policy_id,
                       certificate_profile_id, status, expires_at, tags, last_renewal_at, last_deployment_at, revoked_at,
                       revocation_reason, source, current_version_id, serial_number, fingerprint_sha256, renew_after,
                       deployment_state, last_error, created_at, updated_at, renew_not_before, row_version))

/// One issued X.509 certificate of a managed certificate.
struct CertificateVersion {
  std::string id;
  std::string certificate_id;
  std::string serial_number;  ///< lower hex without leading zeros
  Time not_before{};
  Time not_after{};
  std::string fingerprint_sha256;
  std::string pem_chain;  ///< leaf, then the chain, nearest issuer first
  std::string csr_pem;
  OptionalText key_algorithm;
  std::optional<std::int32_t> key_size;
  OptionalText issuer_id;
  OptionalText agent_id;
  std::vector<std::string> sans;
  OptionalText source;
  std::optional<Time> revoked_at;
  std::optional<Time> superseded_at;
  Time created_at{};
  Hidden<std::string> intent_id;
  Hidden<std::string> job_id;
  Hidden<std::string> ca_id;
  Hidden<json::Raw> issuer_ref;
  Hidden<std::optional<Bytes>> server_key_sealed;
  Hidden<std::optional<Bytes>> spki_sha256;
};
BOOST_DESCRIBE_STRUCT(CertificateVersion, (),
                      (id, certificate_id, serial_number, not_before, not_after, fingerprint_sha256, pem_chain, csr_pem,
                       key_algorithm, key_size, issuer_id, agent_id, sans, source, revoked_at, superseded_at, created_at,
                       intent_id, job_id, ca_id, issuer_ref, server_key_sealed, spki_sha256))

}  // namespace certctl::domain
