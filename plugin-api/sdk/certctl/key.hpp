#pragma once

#include <cstdint>

#include <certctl/keys.h>

/// The keys of certctl/keys.h with their type, so that a text cannot be put where a number is due.
namespace certctl {

template <std::uint32_t Type>
struct Key {
  std::uint32_t number;
};
using TextKey = Key<CERTCTL_TEXT>;
using BytesKey = Key<CERTCTL_BYTES>;
using IntKey = Key<CERTCTL_INT>;
using MapKey = Key<CERTCTL_MAP>;
using RecKey = Key<CERTCTL_REC>;

namespace key {

inline constexpr TextKey type{CERTCTL_KEY_TYPE};
inline constexpr TextKey idempotency_key{CERTCTL_KEY_IDEMPOTENCY_KEY};
inline constexpr TextKey request_id{CERTCTL_KEY_REQUEST_ID};
inline constexpr BytesKey checkpoint{CERTCTL_KEY_CHECKPOINT};
inline constexpr IntKey poll_in_ms{CERTCTL_KEY_POLL_IN_MS};
inline constexpr IntKey expires_in_ms{CERTCTL_KEY_EXPIRES_IN_MS};
inline constexpr IntKey next_tick_ms{CERTCTL_KEY_NEXT_TICK_MS};
inline constexpr TextKey progress{CERTCTL_KEY_PROGRESS};
inline constexpr IntKey retry_in_ms{CERTCTL_KEY_RETRY_IN_MS};
inline constexpr TextKey setting_path{CERTCTL_KEY_SETTING_PATH};
inline constexpr TextKey vendor_code{CERTCTL_KEY_VENDOR_CODE};
inline constexpr MapKey text_arg{CERTCTL_KEY_TEXT_ARG};
inline constexpr RecKey finding{CERTCTL_KEY_FINDING};
inline constexpr TextKey finding_text{CERTCTL_KEY_FINDING_TEXT};
inline constexpr TextKey finding_path{CERTCTL_KEY_FINDING_PATH};
inline constexpr TextKey choice_path{CERTCTL_KEY_CHOICE_PATH};
inline constexpr RecKey choice{CERTCTL_KEY_CHOICE};
inline constexpr TextKey choice_value{CERTCTL_KEY_CHOICE_VALUE};
inline constexpr TextKey choice_title{CERTCTL_KEY_CHOICE_TITLE};
inline constexpr TextKey migrate_what{CERTCTL_KEY_MIGRATE_WHAT};
inline constexpr TextKey migrate_from{CERTCTL_KEY_MIGRATE_FROM};
inline constexpr BytesKey old{CERTCTL_KEY_OLD};
inline constexpr BytesKey migrated{CERTCTL_KEY_MIGRATED};

inline constexpr TextKey csr_pem{CERTCTL_KEY_CSR_PEM};
inline constexpr BytesKey csr_der{CERTCTL_KEY_CSR_DER};
inline constexpr TextKey common_name{CERTCTL_KEY_COMMON_NAME};
inline constexpr TextKey san_dns{CERTCTL_KEY_SAN_DNS};
inline constexpr TextKey san_ip{CERTCTL_KEY_SAN_IP};
inline constexpr TextKey san_email{CERTCTL_KEY_SAN_EMAIL};
inline constexpr TextKey san_uri{CERTCTL_KEY_SAN_URI};
inline constexpr TextKey eku{CERTCTL_KEY_EKU};
inline constexpr IntKey max_ttl_s{CERTCTL_KEY_MAX_TTL_S};
inline constexpr IntKey validity_s{CERTCTL_KEY_VALIDITY_S};
inline constexpr IntKey must_staple{CERTCTL_KEY_MUST_STAPLE};
inline constexpr IntKey is_ca{CERTCTL_KEY_IS_CA};
inline constexpr IntKey path_len{CERTCTL_KEY_PATH_LEN};
inline constexpr BytesKey name_constraints{CERTCTL_KEY_NAME_CONSTRAINTS};
inline constexpr TextKey serial{CERTCTL_KEY_SERIAL};
inline constexpr IntKey not_before{CERTCTL_KEY_NOT_BEFORE};
inline constexpr TextKey ca_ref{CERTCTL_KEY_CA_REF};
inline constexpr TextKey crl_url{CERTCTL_KEY_CRL_URL};
inline constexpr TextKey aia_url{CERTCTL_KEY_AIA_URL};
inline constexpr TextKey ocsp_url{CERTCTL_KEY_OCSP_URL};
inline constexpr TextKey policy_oid{CERTCTL_KEY_POLICY_OID};
inline constexpr TextKey previous_leaf{CERTCTL_KEY_PREVIOUS_LEAF};
inline constexpr TextKey previous_serial{CERTCTL_KEY_PREVIOUS_SERIAL};
inline constexpr BytesKey certificates{CERTCTL_KEY_CERTIFICATES};
inline constexpr TextKey order_id{CERTCTL_KEY_ORDER_ID};
inline constexpr TextKey issuer_ref{CERTCTL_KEY_ISSUER_REF};

inline constexpr TextKey revoked_serial{CERTCTL_KEY_REVOKED_SERIAL};
inline constexpr IntKey reason{CERTCTL_KEY_REASON};
inline constexpr IntKey invalidity_date{CERTCTL_KEY_INVALIDITY_DATE};
inline constexpr IntKey reason_sent{CERTCTL_KEY_REASON_SENT};

inline constexpr TextKey leaf{CERTCTL_KEY_LEAF};
inline constexpr TextKey chain{CERTCTL_KEY_CHAIN};
inline constexpr TextKey key_pkcs8{CERTCTL_KEY_KEY_PKCS8};
inline constexpr TextKey key_original{CERTCTL_KEY_KEY_ORIGINAL};
inline constexpr TextKey certificate_id{CERTCTL_KEY_CERTIFICATE_ID};
inline constexpr TextKey job_id{CERTCTL_KEY_JOB_ID};
inline constexpr TextKey target_id{CERTCTL_KEY_TARGET_ID};
inline constexpr IntKey force{CERTCTL_KEY_FORCE};
inline constexpr BytesKey expected_sha256{CERTCTL_KEY_EXPECTED_SHA256};
inline constexpr TextKey expected_serial{CERTCTL_KEY_EXPECTED_SERIAL};
inline constexpr TextKey state_dir{CERTCTL_KEY_STATE_DIR};
inline constexpr TextKey target_address{CERTCTL_KEY_TARGET_ADDRESS};
inline constexpr TextKey deployment_id{CERTCTL_KEY_DEPLOYMENT_ID};
inline constexpr TextKey message{CERTCTL_KEY_MESSAGE};
inline constexpr TextKey stage{CERTCTL_KEY_STAGE};
inline constexpr IntKey deployed_at{CERTCTL_KEY_DEPLOYED_AT};
inline constexpr IntKey valid{CERTCTL_KEY_VALID};
inline constexpr BytesKey sha256{CERTCTL_KEY_SHA256};
inline constexpr MapKey meta{CERTCTL_KEY_META};
inline constexpr TextKey installed_serial{CERTCTL_KEY_INSTALLED_SERIAL};
inline constexpr IntKey not_after{CERTCTL_KEY_NOT_AFTER};

inline constexpr TextKey event{CERTCTL_KEY_EVENT};
inline constexpr TextKey severity{CERTCTL_KEY_SEVERITY};
inline constexpr TextKey subject{CERTCTL_KEY_SUBJECT};
inline constexpr TextKey body{CERTCTL_KEY_BODY};
inline constexpr TextKey html{CERTCTL_KEY_HTML};
inline constexpr TextKey recipient{CERTCTL_KEY_RECIPIENT};
inline constexpr TextKey incident_key{CERTCTL_KEY_INCIDENT_KEY};
inline constexpr TextKey action{CERTCTL_KEY_ACTION};
inline constexpr TextKey notification_id{CERTCTL_KEY_NOTIFICATION_ID};
inline constexpr IntKey attempt{CERTCTL_KEY_ATTEMPT};
inline constexpr MapKey field{CERTCTL_KEY_FIELD};
inline constexpr MapKey link{CERTCTL_KEY_LINK};
inline constexpr IntKey created_at{CERTCTL_KEY_CREATED_AT};
inline constexpr TextKey provider_ref{CERTCTL_KEY_PROVIDER_REF};

}  // namespace key

}  // namespace certctl
