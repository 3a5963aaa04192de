#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <certctl/call.hpp>
#include <certctl/services.h>

/// The small host services; HTTP and processes have pages of their own.
namespace certctl {

namespace key {
inline constexpr TextKey service_error{CERTCTL_KEY_SERVICE_ERROR};
inline constexpr TextKey key_ref{CERTCTL_KEY_KEY_REF};
inline constexpr TextKey key_algorithm{CERTCTL_KEY_KEY_ALGORITHM};
inline constexpr BytesKey key_spki{CERTCTL_KEY_KEY_SPKI};
inline constexpr IntKey key_persistent{CERTCTL_KEY_KEY_PERSISTENT};
inline constexpr TextKey digest_algorithm{CERTCTL_KEY_DIGEST_ALGORITHM};
inline constexpr BytesKey digest{CERTCTL_KEY_DIGEST};
inline constexpr BytesKey signature{CERTCTL_KEY_SIGNATURE};
inline constexpr TextKey state_key{CERTCTL_KEY_STATE_KEY};
inline constexpr BytesKey state_value{CERTCTL_KEY_STATE_VALUE};
inline constexpr IntKey state_version{CERTCTL_KEY_STATE_VERSION};
inline constexpr IntKey random_size{CERTCTL_KEY_RANDOM_SIZE};
inline constexpr BytesKey random_bytes{CERTCTL_KEY_RANDOM_BYTES};
}  // namespace key

inline void ServiceCall::run_or_throw() {
  const Status status = run();
  if (status == Status::ok) return;
  const std::string text = this->text(key::service_error);
  throw Error(status, text.empty() ? "a host service failed" : text);
}

/// A key that the core holds: a plugin sees its public half and asks for signatures.
struct KeyDescription {
  std::string ref;
  std::string algorithm;     ///< `ECDSA-P256`, `RSA-3072`
  std::string spki;          ///< DER
  std::string certificates;  ///< PEM, the key's own first; empty: it has none
  bool persistent = true;    ///< false: lost with the process
};

/// `ref` empty: the instance's own key. Throws Error.
inline KeyDescription describe_key(const Call& call, std::string_view ref) {
  auto service = call.open(CERTCTL_KEYS_DESCRIBE, "keys");
  if (!ref.empty()) service.put(key::key_ref, ref);
  service.run_or_throw();
  KeyDescription result{service.text(key::key_ref), service.text(key::key_algorithm),
                        std::string(service.get(key::key_spki)), {}, service.get(key::key_persistent).value_or(1) != 0};
  for (const std::string& pem : service.all(key::certificates)) result.certificates += pem;
  return result;
}

/// Signs a digest made with `algorithm` (`SHA256`): DER for ECDSA, PKCS#1 v1.5 for RSA. Throws Error.
inline std::string sign_digest(const Call& call, std::string_view ref, std::string_view algorithm,
                               std::string_view digest) {
  auto service = call.open(CERTCTL_KEYS_SIGN, "keys");
  if (!ref.empty()) service.put(key::key_ref, ref);
  service.put(key::digest_algorithm, algorithm).put(key::digest, digest).run_or_throw();
  return std::string(service.get(key::signature));
}

struct StateValue {
  std::string value;
  std::int64_t version = 0;
};

inline std::optional<StateValue> state_get(const Call& call, std::string_view name) {
  auto service = call.open(CERTCTL_STATE_GET, "state");
  service.put(key::state_key, name);
  const Status status = service.run();
  if (status == Status::not_found) return std::nullopt;
  if (status != Status::ok) throw Error(status, service.text(key::service_error));
  return StateValue{std::string(service.get(key::state_value)), service.get(key::state_version).value_or(0)};
}
inline void state_put(const Call& call, std::string_view name, std::string_view value) {
  auto service = call.open(CERTCTL_STATE_PUT, "state");
  service.put(key::state_key, name).put(key::state_value, value).run_or_throw();
}
/// false: somebody else changed it since `version` (0: since it did not exist).
inline bool state_compare_and_set(const Call& call, std::string_view name, std::int64_t version,
                                  std::string_view value) {
  auto service = call.open(CERTCTL_STATE_COMPARE_AND_SET, "state");
  service.put(key::state_key, name).put(key::state_version, version).put(key::state_value, value);
  const Status status = service.run();
  if (status == Status::conflict) return false;
  if (status != Status::ok) throw Error(status, service.text(key::service_error));
  return true;
}

inline std::string random_bytes(const Call& call, std::int64_t size) {
  auto service = call.open(CERTCTL_RANDOM_FILL, "random");
  service.put(key::random_size, size).run_or_throw();
  return std::string(service.get(key::random_bytes));
}

}  // namespace certctl
