#include "core/store/own_cas.hpp"

#include "core/store/rows.hpp"

namespace certctl::store::own_cas {

std::optional<Generation> active(db::Executor db, const std::string& issuer_id) {
  return from_first<Generation>(db.run("SELECT * FROM local_ca_generations WHERE issuer_id = $1 AND state = 'active'", issuer_id));
}

std::optional<Generation> find(db::Executor db, const std::string& id) {
  return from_first<Generation>(db.run("SELECT * FROM local_ca_generations WHERE id = $1", id));
}

void insert_active(db::Executor db, const Generation& g) {
  db.run("UPDATE local_ca_generations SET state = 'superseded', updated_at = now() WHERE issuer_id = $1 AND state = 'active'", g.issuer_id);
  db.run(R"(INSERT INTO local_ca_generations (id, issuer_id, generation, cert_pem, chain_pem, key_ref, key_sealed, key_alg, spki_sha256, state,
                                              not_before, not_after)
            VALUES ($1, $2, (SELECT coalesce(max(generation), 0) + 1 FROM local_ca_generations WHERE issuer_id = $2), $3, $4, $5, $6::bytea, $7,
                    $8::bytea, 'active', $9, $10))",
         g.id, g.issuer_id, g.cert_pem, g.chain_pem, g.key_ref, g.key_sealed, g.key_alg, g.spki_sha256, g.not_before, g.not_after);
}

}  // namespace certctl::store::own_cas
