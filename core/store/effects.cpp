#include "core/store/effects.hpp"

namespace certctl::store::effects {

void add(db::Executor db, const Effect& e) {
  db.run(R"(INSERT INTO outbox_effects (id, kind, key, payload, next_attempt_at) VALUES ($1, $2, $3, $4::jsonb, now())
            ON CONFLICT DO NOTHING)", e.id, e.kind, e.key, e.payload);
}

std::vector<Effect> claim(db::Executor db, int limit, const std::string& owner, Duration lease) {
  // A live lease hides the row by its next attempt, so that the claim needs no condition the index lacks.
  const auto result = db.run(R"(
    WITH c AS (SELECT id FROM outbox_effects WHERE done_at IS NULL AND next_attempt_at <= now()
               ORDER BY next_attempt_at, id LIMIT $1::int FOR UPDATE SKIP LOCKED)
    UPDATE outbox_effects e SET attempts = attempts + 1, lease_owner = $2, lease_expires_at = now() + $3::interval,
           next_attempt_at = now() + $3::interval, fence = fence + 1
     WHERE e.id = ANY (ARRAY(SELECT id FROM c)) RETURNING e.*)", limit, owner, lease);
  std::vector<Effect> out;
  for (const auto& row : result) {
    out.push_back({row.text("id"), row.text("kind"), row.text("key"), row.json("payload"), row.integer("attempts"), row.integer("fence"), {}});
  }
  return out;
}

bool done(db::Executor db, const Effect& e, const std::string& owner) {
  return db.run("UPDATE outbox_effects SET done_at = now(), lease_owner = NULL, lease_expires_at = NULL WHERE id = $1 AND lease_owner = $2 AND fence = $3",
                e.id, owner, e.fence).affected() == 1;
}

bool later(db::Executor db, const Effect& e, const std::string& owner, Time next_attempt_at, const std::string& error) {
  return db.run(R"(UPDATE outbox_effects SET next_attempt_at = $4, last_error = $5, lease_owner = NULL, lease_expires_at = NULL
                    WHERE id = $1 AND lease_owner = $2 AND fence = $3)", e.id, owner, e.fence, next_attempt_at, error).affected() == 1;
}

}  // namespace certctl::store::effects
