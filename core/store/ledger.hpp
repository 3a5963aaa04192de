#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/db/executor.hpp"
#include "core/domain/intent.hpp"

/// The issuance ledger: `issuance_intents` and, for own CAs, `issued_certificates` (lifecycle §7.3).
namespace certctl::store::ledger {

/// Throws db::UniqueViolation when the job has an open intent.
void insert(db::Executor db, const domain::Intent& intent);
std::optional<domain::Intent> open_of_job(db::Executor db, const std::string& job_id);
std::optional<domain::Intent> latest_of_job(db::Executor db, const std::string& job_id);

/// From `prepared`, or again from `submitting` without checkpoint.
bool submit(db::Executor db, const std::string& id);
/// Only while the intent is open; false: it is no longer ours.
bool checkpoint(db::Executor db, const std::string& id, const Bytes& sealed);
bool order(db::Executor db, const std::string& id, const std::string& order_id, Time poll_at, std::optional<Time> expires_at);
/// The certificate as the CA sent it; also without a lease, also after the job ended. False: recorded already.
bool store_result(db::Executor db, const std::string& id, const std::string& pem, const std::string& serial);
bool record(db::Executor db, const std::string& id, const std::string& version_id);
/// Back to `prepared`: nothing can have happened.
void prepare_again(db::Executor db, const std::string& id);
void unknown(db::Executor db, const std::string& id, Time ask_at, const std::string& error);
void end(db::Executor db, const std::string& id, domain::IntentState state, const std::string& error_kind, const std::string& error);

// --- own CAs -------------------------------------------------------------------------------------------------------

struct Issued {
  std::string ca_id, issuer_id, intent_id, serial, subject, certificate_id, profile_id, source;
  Bytes spki_sha256;
  Time not_before{}, not_after{};
  bool short_lived = false;
};
/// State `pending`. Throws db::UniqueViolation for a serial that is taken.
void insert_pending(db::Executor db, const Issued& row);
/// Signed bytes that were lost before they were released.
void fail_pending(db::Executor db, const std::string& intent_id);
void issued(db::Executor db, const std::string& ca_id, const std::string& serial, const std::string& fingerprint, const std::string& version_id,
            Time not_before, Time not_after);
int sweep_pending(db::Executor db, Duration older_than);

bool is_key_blocked(db::Executor db, const Bytes& spki_sha256);
void block_key(db::Executor db, const Bytes& spki_sha256, const std::string& reason, const std::string& serial, const std::string& by, Time at);

}  // namespace certctl::store::ledger
