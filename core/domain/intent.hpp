#pragma once

#include "core/domain/described.hpp"
#include "core/domain/enums.hpp"

namespace certctl::domain {

/// One wish for one certificate from one CA, written before the CA is asked; owner of the idempotency key
/// (lifecycle §7.3).
struct Intent {
  std::string id;
  std::string job_id;
  std::string certificate_id;
  std::string issuer_id;
  Word<IntentState> state{IntentState::prepared};
  std::string idempotency_key;
  std::string csr_pem;
  std::optional<Bytes> spki_sha256;
  std::optional<Bytes> key_sealed;
  std::string plugin;
  std::optional<Bytes> checkpoint_sealed;
  std::string order_id;
  std::int32_t submit_count = 0;
  std::optional<Time> poll_at;
  std::int32_t polls = 0;
  std::string result_pem;
  std::string serial;
  std::string version_id;
  std::string error_kind;
  std::string error;
  Time created_at{};
};
BOOST_DESCRIBE_STRUCT(Intent, (),
                      (id, job_id, certificate_id, issuer_id, state, idempotency_key, csr_pem, spki_sha256, key_sealed,
                       plugin, checkpoint_sealed, order_id, submit_count, poll_at, polls, result_pem, serial, version_id,
                       error_kind, error, created_at))

}  // namespace certctl::domain
