#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "core/plugin/fields.hpp"

namespace certctl::plugin {

namespace {

struct KeyName {
  std::uint32_t key;
  std::string_view name;
};

// The names that manifests, logs and errors use: those of certctl/keys.h and certctl/services.h in lower case.
constexpr auto kNames = std::to_array<KeyName>({
    {CERTCTL_KEY_TYPE, "type"},
    {CERTCTL_KEY_IDEMPOTENCY_KEY, "idempotency_key"},
    {CERTCTL_KEY_REQUEST_ID, "request_id"},
    {CERTCTL_KEY_CHECKPOINT, "checkpoint"},
    {CERTCTL_KEY_POLL_IN_MS, "poll_in_ms"},
    {CERTCTL_KEY_EXPIRES_IN_MS, "expires_in_ms"},
    {CERTCTL_KEY_NEXT_TICK_MS, "next_tick_ms"},
    {CERTCTL_KEY_PROGRESS, "progress"},
    {CERTCTL_KEY_RETRY_IN_MS, "retry_in_ms"},
    {CERTCTL_KEY_SETTING_PATH, "setting_path"},
    {CERTCTL_KEY_VENDOR_CODE, "vendor_code"},
    {CERTCTL_KEY_TEXT_ARG, "text_arg"},
    {CERTCTL_KEY_FINDING, "finding"},
    {CERTCTL_KEY_FINDING_TEXT, "finding_text"},
    {CERTCTL_KEY_FINDING_PATH, "finding_path"},
    {CERTCTL_KEY_CHOICE_PATH, "choice_path"},
    {CERTCTL_KEY_CHOICE, "choice"},
    {CERTCTL_KEY_CHOICE_VALUE, "choice_value"},
    {CERTCTL_KEY_CHOICE_TITLE, "choice_title"},
    {CERTCTL_KEY_MIGRATE_WHAT, "migrate_what"},
    {CERTCTL_KEY_MIGRATE_FROM, "migrate_from"},
    {CERTCTL_KEY_OLD, "old"},
    {CERTCTL_KEY_MIGRATED, "migrated"},
    {CERTCTL_KEY_CSR_PEM, "csr_pem"},
    {CERTCTL_KEY_CSR_DER, "csr_der"},
    {CERTCTL_KEY_COMMON_NAME, "common_name"},
    {CERTCTL_KEY_SAN_DNS, "san_dns"},
    {CERTCTL_KEY_SAN_IP, "san_ip"},
    {CERTCTL_KEY_SAN_EMAIL, "san_email"},
    {CERTCTL_KEY_SAN_URI, "san_uri"},
    {CERTCTL_KEY_EKU, "eku"},
    {CERTCTL_KEY_MAX_TTL_S, "max_ttl_s"},
    {CERTCTL_KEY_VALIDITY_S, "validity_s"},
    {CERTCTL_KEY_MUST_STAPLE, "must_staple"},
    {CERTCTL_KEY_IS_CA, "is_ca"},
    {CERTCTL_KEY_PATH_LEN, "path_len"},
    {CERTCTL_KEY_NAME_CONSTRAINTS, "name_constraints"},
    {CERTCTL_KEY_SERIAL, "serial"},
    {CERTCTL_KEY_NOT_BEFORE, "not_before"},
    {CERTCTL_KEY_CA_REF, "ca_ref"},
    {CERTCTL_KEY_CRL_URL, "crl_url"},
    {CERTCTL_KEY_AIA_URL, "aia_url"},
    {CERTCTL_KEY_OCSP_URL, "ocsp_url"},
    {CERTCTL_KEY_POLICY_OID, "policy_oid"},
    {CERTCTL_KEY_PREVIOUS_LEAF, "previous_leaf"},
    {CERTCTL_KEY_PREVIOUS_SERIAL, "previous_serial"},
    {CERTCTL_KEY_CERTIFICATES, "certificates"},
    {CERTCTL_KEY_ORDER_ID, "order_id"},
    {CERTCTL_KEY_ISSUER_REF, "issuer_ref"},
    {CERTCTL_KEY_REVOKED_SERIAL, "revoked_serial"},
    {CERTCTL_KEY_REASON, "reason"},
    {CERTCTL_KEY_INVALIDITY_DATE, "invalidity_date"},
    {CERTCTL_KEY_REASON_SENT, "reason_sent"},
    {CERTCTL_KEY_LEAF, "leaf"},
    {CERTCTL_KEY_CHAIN, "chain"},
    {CERTCTL_KEY_KEY_PKCS8, "key_pkcs8"},
    {CERTCTL_KEY_KEY_ORIGINAL, "key_original"},
    {CERTCTL_KEY_CERTIFICATE_ID, "certificate_id"},
    {CERTCTL_KEY_JOB_ID, "job_id"},
    {CERTCTL_KEY_TARGET_ID, "target_id"},
    {CERTCTL_KEY_FORCE, "force"},
    {CERTCTL_KEY_EXPECTED_SHA256, "expected_sha256"},
    {CERTCTL_KEY_EXPECTED_SERIAL, "expected_serial"},
    {CERTCTL_KEY_STATE_DIR, "state_dir"},
    {CERTCTL_KEY_TARGET_ADDRESS, "target_address"},
    {CERTCTL_KEY_DEPLOYMENT_ID, "deployment_id"},
    {CERTCTL_KEY_MESSAGE, "message"},
    {CERTCTL_KEY_STAGE, "stage"},
    {CERTCTL_KEY_DEPLOYED_AT, "deployed_at"},
    {CERTCTL_KEY_VALID, "valid"},
    {CERTCTL_KEY_SHA256, "sha256"},
    {CERTCTL_KEY_META, "meta"},
    {CERTCTL_KEY_INSTALLED_SERIAL, "installed_serial"},
    {CERTCTL_KEY_NOT_AFTER, "not_after"},
    {CERTCTL_KEY_EVENT, "event"},
    {CERTCTL_KEY_SEVERITY, "severity"},
    {CERTCTL_KEY_SUBJECT, "subject"},
    {CERTCTL_KEY_BODY, "body"},
    {CERTCTL_KEY_HTML, "html"},
    {CERTCTL_KEY_RECIPIENT, "recipient"},
    {CERTCTL_KEY_INCIDENT_KEY, "incident_key"},
    {CERTCTL_KEY_ACTION, "action"},
    {CERTCTL_KEY_NOTIFICATION_ID, "notification_id"},
    {CERTCTL_KEY_ATTEMPT, "attempt"},
    {CERTCTL_KEY_FIELD, "field"},
    {CERTCTL_KEY_LINK, "link"},
    {CERTCTL_KEY_CREATED_AT, "created_at"},
    {CERTCTL_KEY_PROVIDER_REF, "provider_ref"},
    {CERTCTL_KEY_SERVICE_ERROR, "service_error"},
    {CERTCTL_KEY_HTTP_METHOD, "http_method"},
    {CERTCTL_KEY_HTTP_URL, "http_url"},
    {CERTCTL_KEY_HTTP_HEADER, "http_header"},
    {CERTCTL_KEY_HTTP_BODY, "http_body"},
    {CERTCTL_KEY_HTTP_STATUS, "http_status"},
    {CERTCTL_KEY_HTTP_SENT, "http_sent"},
    {CERTCTL_KEY_HTTP_TIMEOUT_MS, "http_timeout_ms"},
    {CERTCTL_KEY_HTTP_CA_BUNDLE, "http_ca_bundle"},
    {CERTCTL_KEY_HTTP_CLIENT_CERT, "http_client_cert"},
    {CERTCTL_KEY_HTTP_CLIENT_KEY, "http_client_key"},
    {CERTCTL_KEY_PROCESS_ARG, "process_arg"},
    {CERTCTL_KEY_PROCESS_ENV, "process_env"},
    {CERTCTL_KEY_PROCESS_DIRECTORY, "process_directory"},
    {CERTCTL_KEY_PROCESS_TIMEOUT_MS, "process_timeout_ms"},
    {CERTCTL_KEY_PROCESS_BIND, "process_bind"},
    {CERTCTL_KEY_PROCESS_PATH, "process_path"},
    {CERTCTL_KEY_PROCESS_EXIT, "process_exit"},
    {CERTCTL_KEY_PROCESS_SIGNAL, "process_signal"},
    {CERTCTL_KEY_PROCESS_TIMED_OUT, "process_timed_out"},
    {CERTCTL_KEY_PROCESS_OUTPUT, "process_output"},
    {CERTCTL_KEY_PROCESS_ISOLATED, "process_isolated"},
    {CERTCTL_KEY_KEY_REF, "key_ref"},
    {CERTCTL_KEY_KEY_ALGORITHM, "key_algorithm"},
    {CERTCTL_KEY_KEY_SPKI, "key_spki"},
    {CERTCTL_KEY_DIGEST_ALGORITHM, "digest_algorithm"},
    {CERTCTL_KEY_DIGEST, "digest"},
    {CERTCTL_KEY_SIGNATURE, "signature"},
    {CERTCTL_KEY_KEY_PERSISTENT, "key_persistent"},
    {CERTCTL_KEY_STATE_KEY, "state_key"},
    {CERTCTL_KEY_STATE_VALUE, "state_value"},
    {CERTCTL_KEY_STATE_VERSION, "state_version"},
    {CERTCTL_KEY_RANDOM_SIZE, "random_size"},
    {CERTCTL_KEY_RANDOM_BYTES, "random_bytes"},
});

}  // namespace

std::string key_name(std::uint32_t key) {
  const auto found =
      std::find_if(kNames.begin(), kNames.end(), [key](const KeyName& known) { return known.key == key; });
  return found == kNames.end() ? fmt::format("{:#010x}", key) : std::string(found->name);
}

std::optional<std::uint32_t> key_of(std::string_view name) {
  const auto found =
      std::find_if(kNames.begin(), kNames.end(), [name](const KeyName& known) { return known.name == name; });
  return found == kNames.end() ? std::nullopt : std::optional(found->key);
}

}  // namespace certctl::plugin
