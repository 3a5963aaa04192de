#include "core/store/ledger.hpp"

#include "core/store/rows.hpp"

namespace certctl::store::ledger {
namespace {

using domain::Intent;

std::optional<std::string> given(const std::string& text) { return text.empty() ? std::optional<std::string>() : text; }

}  // namespace

void insert(db::Executor db, const Intent& i) {
  db.run(R"(INSERT INTO issuance_intents (id, job_id, certificate_id, issuer_id, state, idempotency_key, csr_pem, spki_sha256, key_sealed,
                                          plugin, submit_count, submitted_at, created_at, updated_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8::bytea, $9::bytea, $10, $11, CASE WHEN $5 = 'submitting' THEN now() END, $12, $12))",
         i.id, i.job_id, given(i.certificate_id), i.issuer_id, i.state.text(), i.idempotency_key, i.csr_pem, i.spki_sha256, i.key_sealed,
         i.plugin, i.submit_count, i.created_at);
}

std::optional<Intent> open_of_job(db::Executor db, const std::string& job_id) {
  return from_first<Intent>(db.run(R"(SELECT * FROM issuance_intents
       WHERE job_id = $1 AND state IN ('prepared', 'submitting', 'ordered', 'issued', 'unknown_outcome'))", job_id));
}

std::optional<Intent> latest_of_job(db::Executor db, const std::string& job_id) {
  return from_first<Intent>(db.run("SELECT * FROM issuance_intents WHERE job_id = $1 ORDER BY created_at DESC, id DESC LIMIT 1", job_id));
}

bool submit(db::Executor db, const std::string& id) {
  return db.run(R"(UPDATE issuance_intents SET state = 'submitting', submit_count = submit_count + 1, submitted_at = now(), updated_at = now()
                    WHERE id = $1 AND (state = 'prepared' OR (state = 'submitting' AND checkpoint_sealed IS NULL)))", id).affected() == 1;
}

bool checkpoint(db::Executor db, const std::string& id, const Bytes& sealed) {
  return db.run(R"(UPDATE issuance_intents SET checkpoint_sealed = $2::bytea, checkpoint_at = now(), updated_at = now()
                    WHERE id = $1 AND state IN ('submitting', 'ordered', 'unknown_outcome'))", id, sealed).affected() == 1;
}

bool order(db::Executor db, const std::string& id, const std::string& order_id, Time poll_at, std::optional<Time> expires_at) {
  return db.run(R"(UPDATE issuance_intents SET state = 'ordered', order_id = coalesce(nullif($2, ''), order_id), poll_at = $3,
                          expires_at = coalesce($4, expires_at), polls = polls + CASE WHEN state = 'ordered' THEN 1 ELSE 0 END, updated_at = now()
                    WHERE id = $1 AND state IN ('submitting', 'ordered', 'unknown_outcome'))", id, order_id, poll_at, expires_at).affected() == 1;
}

bool store_result(db::Executor db, const std::string& id, const std::string& pem, const std::string& serial) {
  return db.run(R"(UPDATE issuance_intents SET state = CASE WHEN state = 'abandoned' THEN state ELSE 'issued' END, result_pem = $2, serial = $3,
                          issued_at = now(), updated_at = now()
                    WHERE id = $1 AND state IN ('submitting', 'ordered', 'unknown_outcome', 'issued', 'abandoned'))", id, pem, serial).affected() == 1;
}

bool record(db::Executor db, const std::string& id, const std::string& version_id) {
  return db.run(R"(UPDATE issuance_intents SET state = 'recorded', version_id = $2, key_sealed = NULL, updated_at = now()
                    WHERE id = $1 AND state IN ('submitting', 'ordered', 'issued', 'unknown_outcome'))", id, version_id).affected() == 1;
}

void prepare_again(db::Executor db, const std::string& id) {
  db.run(R"(UPDATE issuance_intents SET state = 'prepared', checkpoint_sealed = NULL, updated_at = now()
             WHERE id = $1 AND state IN ('submitting', 'unknown_outcome'))", id);
}

void unknown(db::Executor db, const std::string& id, Time ask_at, const std::string& error) {
  db.run(R"(UPDATE issuance_intents SET state = 'unknown_outcome', poll_at = $2, error = $3, updated_at = now()
             WHERE id = $1 AND state IN ('submitting', 'ordered', 'unknown_outcome'))", id, ask_at, error);
}

void end(db::Executor db, const std::string& id, domain::IntentState state, const std::string& error_kind, const std::string& error) {
  db.run(R"(UPDATE issuance_intents SET state = $2, error_kind = $3, error = $4, updated_at = now()
             WHERE id = $1 AND state IN ('prepared', 'submitting', 'ordered', 'issued', 'unknown_outcome'))",
         id, domain::name_of(state), error_kind, error);
}

void insert_pending(db::Executor db, const Issued& r) {
  db.run(R"(INSERT INTO issued_certificates (ca_id, serial_norm, issuer_id, intent_id, state, serial_number, subject, spki_sha256,
                                             not_before, not_after, certificate_id, profile_id, source, short_lived, crl_shard, created_at)
            VALUES ($1, $2, $3, $4, 'pending', $2, $5, $6::bytea, $7, $8, $9, $10, $11, $12, 0, now()))",
         r.ca_id, r.serial, r.issuer_id, given(r.intent_id), r.subject, r.spki_sha256, r.not_before, r.not_after, given(r.certificate_id),
         given(r.profile_id), r.source, r.short_lived);
}

void fail_pending(db::Executor db, const std::string& intent_id) {
  db.run("UPDATE issued_certificates SET state = 'failed' WHERE intent_id = $1 AND state = 'pending'", intent_id);
}

void issued(db::Executor db, const std::string& ca_id, const std::string& serial, const std::string& fingerprint, const std::string& version_id,
            Time not_before, Time not_after) {
  db.run(R"(UPDATE issued_certificates SET state = 'issued', fingerprint_sha256 = decode($3, 'hex'), version_id = $4, not_before = $5, not_after = $6
             WHERE ca_id = $1 AND serial_norm = $2)", ca_id, serial, fingerprint, version_id, not_before, not_after);
}

int sweep_pending(db::Executor db, Duration older_than) {
  return int(db.run(R"(UPDATE issued_certificates c SET state = 'failed'
                        WHERE state = 'pending' AND created_at < now() - $1::interval
                          AND NOT EXISTS (SELECT 1 FROM issuance_intents i JOIN jobs j ON j.id = i.job_id
                                           WHERE i.id = c.intent_id AND i.state = 'submitting' AND j.lease_expires_at > now()))", older_than).affected());
}

bool is_key_blocked(db::Executor db, const Bytes& spki_sha256) {
  return !db.run("SELECT 1 FROM blocked_keys WHERE spki_sha256 = $1::bytea", spki_sha256).empty();
}

void block_key(db::Executor db, const Bytes& spki_sha256, const std::string& reason, const std::string& serial, const std::string& by, Time at) {
  db.run(R"(INSERT INTO blocked_keys (spki_sha256, reason, serial, blocked_at, blocked_by) VALUES ($1::bytea, $2, $3, $4, $5)
            ON CONFLICT DO NOTHING)", spki_sha256, reason, serial, at, by);
}

}  // namespace certctl::store::ledger
