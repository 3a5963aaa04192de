#include "core/store/revocations.hpp"

namespace certctl::store::revocations {

bool insert(db::Executor db, const Revocation& r) {
  const auto given = [](const std::string& text) { return text.empty() ? std::optional<std::string>() : text; };
  return db.run(R"(INSERT INTO certificate_revocations (id, certificate_id, serial_number, reason, revoked_by, revoked_at, issuer_id,
                                                        version_id, ca_id, serial_norm)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $3) ON CONFLICT DO NOTHING)",
                r.id, r.certificate_id, r.serial, r.reason, r.revoked_by, r.revoked_at, given(r.issuer_id), given(r.version_id), given(r.ca_id))
             .affected() == 1;
}

void notified(db::Executor db, const std::string& issuer_id, const std::string& serial) {
  db.run("UPDATE certificate_revocations SET issuer_notified = true WHERE issuer_id = $1 AND serial_number = $2", issuer_id, serial);
}

void bump_epoch(db::Executor db, const std::string& ca_id) {
  db.run(R"(INSERT INTO ca_revocation_epoch (ca_id, epoch, dirty_since_at) VALUES ($1, 1, now())
            ON CONFLICT (ca_id) DO UPDATE SET epoch = ca_revocation_epoch.epoch + 1,
                                              dirty_since_at = coalesce(ca_revocation_epoch.dirty_since_at, now()))", ca_id);
}

bool mark_certificate(db::Executor db, const std::string& certificate_id, const std::string& reason, Time at) {
  return db.run(R"(UPDATE managed_certificates SET status = 'Revoked', revoked_at = $3, revocation_reason = $2, updated_at = now(),
                          row_version = row_version + 1
                    WHERE id = $1 AND status NOT IN ('Revoked', 'Archived'))", certificate_id, reason, at).affected() == 1;
}

}  // namespace certctl::store::revocations
