#include "core/store/issuers.hpp"

#include "core/store/rows.hpp"

namespace certctl::store::issuers {
namespace {

using domain::Issuer;

std::string mode_of(const Issuer& issuer) { return issuer.hierarchy_mode.empty() ? "single" : issuer.hierarchy_mode; }

/// Each issuer has a lane of jobs of its own.
void open_lane(db::Executor db, const std::string& id) {
  db.run("INSERT INTO issuer_runtime (lane) VALUES ($1) ON CONFLICT DO NOTHING", id);
}

}  // namespace

void insert(db::Executor db, const Issuer& issuer) {
  db.run(R"(INSERT INTO issuers (id, name, type, config, encrypted_config, enabled, source, hierarchy_mode, created_at, updated_at)
            VALUES ($1, $2, $3, $4::jsonb, $5, $6, $7, $8, $9, $9))",
         issuer.id, issuer.name, issuer.type, issuer.config, *issuer.encrypted_config, issuer.enabled, issuer.source,
         mode_of(issuer), issuer.created_at);
  open_lane(db, issuer.id);
}

bool seed(db::Executor db, const Issuer& issuer) {
  const bool seeded = db.run(R"(INSERT INTO issuers (id, name, type, config, encrypted_config, enabled, source, hierarchy_mode, created_at, updated_at)
                   SELECT $1::text, $2::text, $3::text, $4::jsonb, $5::bytea, $6::boolean, $7::text, $8::text, $9::timestamptz, $9::timestamptz
                    WHERE NOT EXISTS (SELECT 1 FROM issuers)
                   ON CONFLICT DO NOTHING)",
                issuer.id, issuer.name, issuer.type, issuer.config, *issuer.encrypted_config, issuer.enabled, issuer.source,
                mode_of(issuer), issuer.created_at).affected() == 1;
  if (seeded) open_lane(db, issuer.id);
  return seeded;
}

bool any(db::Executor db) { return !db.run("SELECT 1 FROM issuers LIMIT 1").empty(); }

std::optional<Issuer> find(db::Executor db, const std::string& id) {
  return from_first<Issuer>(db.run("SELECT * FROM issuers WHERE id = $1", id));
}

std::optional<Issuer> find_for_update(db::Executor db, const std::string& id) {
  return from_first<Issuer>(db.run("SELECT * FROM issuers WHERE id = $1 FOR UPDATE", id));
}

Page<Issuer> list(db::Executor db, const PageRequest& page) {
  return {from_rows<Issuer>(db.run("SELECT * FROM issuers ORDER BY created_at DESC, id LIMIT $1::bigint OFFSET $2::bigint",
                                   page.per_page, page.offset())),
          db.run("SELECT count(*) FROM issuers").front().integer(0)};
}

bool update(db::Executor db, const Issuer& issuer) {
  return db.run(R"(UPDATE issuers
                      SET name = $3, type = $4, config = $5::jsonb, encrypted_config = $6, enabled = $7, test_status = $8,
                          hierarchy_mode = $9, updated_at = now(), row_version = row_version + 1
                    WHERE id = $1 AND row_version = $2)",
                issuer.id, *issuer.row_version, issuer.name, issuer.type, issuer.config, *issuer.encrypted_config,
                issuer.enabled, issuer.test_status, mode_of(issuer)).affected() == 1;
}

bool set_test_result(db::Executor db, const std::string& id, domain::TestStatus status, Time at) {
  return db.run("UPDATE issuers SET test_status = $2, last_tested_at = $3 WHERE id = $1", id, domain::name_of(status), at).affected() == 1;
}

bool remove(db::Executor db, const std::string& id) {
  const bool removed = db.run("DELETE FROM issuers WHERE id = $1", id).affected() == 1;
  if (removed) db.run("DELETE FROM issuer_runtime WHERE lane = $1", id);
  return removed;
}

Dependants dependants(db::Executor db, const std::string& id) {
  const auto row = db.run(R"(SELECT (SELECT count(*) FROM managed_certificates WHERE issuer_id = $1) AS certificates,
                                    (SELECT count(*) FROM certificate_versions WHERE issuer_id = $1) AS versions,
                                    (SELECT count(*) FROM certificate_revocations WHERE issuer_id = $1) AS revocations,
                                    (SELECT count(*) FROM intermediate_cas WHERE owning_issuer_id = $1) AS intermediates,
                                    (SELECT count(*) FROM issuance_intents WHERE issuer_id = $1
                                        AND state IN ('prepared', 'submitting', 'ordered', 'issued', 'unknown_outcome')) AS intents,
                                    (SELECT count(*) FROM issued_certificates WHERE issuer_id = $1 AND not_after > now()) AS unexpired)",
                          id).front();
  return {row.integer("certificates"), row.integer("versions"), row.integer("revocations"),
          row.integer("intermediates"), row.integer("intents"), row.integer("unexpired")};
}

}  // namespace certctl::store::issuers
