#include "core/store/targets.hpp"

#include "core/store/rows.hpp"

namespace certctl::store::targets {

using domain::Target;

void insert(db::Executor db, const Target& target) {
  db.run(R"(INSERT INTO deployment_targets (id, name, type, agent_id, config, encrypted_config, enabled, source, created_at, updated_at)
            VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7, $8, $9, $9))",
         target.id, target.name, target.type, target.agent_id, target.config, *target.encrypted_config, target.enabled,
         target.source, target.created_at);
}

std::optional<Target> find(db::Executor db, const std::string& id) {
  return from_first<Target>(db.run(R"(SELECT * FROM deployment_targets
                                       WHERE id = $1 AND (retired_at IS NULL OR coalesce(retired_reason, '') <> ''))", id));
}

std::vector<Target> find_all(db::Executor db, const std::vector<std::string>& ids) {
  if (ids.empty()) return {};
  return from_rows<Target>(db.run(R"(SELECT * FROM deployment_targets
                                      WHERE id = ANY ($1::text[]) AND (retired_at IS NULL OR coalesce(retired_reason, '') <> ''))", ids));
}

std::optional<Target> find_for_update(db::Executor db, const std::string& id) {
  return from_first<Target>(db.run(R"(SELECT * FROM deployment_targets
                                       WHERE id = $1 AND (retired_at IS NULL OR coalesce(retired_reason, '') <> '')
                                         FOR UPDATE)", id));
}

Page<Target> list(db::Executor db, const PageRequest& page) {
  return {from_rows<Target>(db.run(R"(SELECT * FROM deployment_targets WHERE retired_at IS NULL
                                       ORDER BY created_at DESC, id LIMIT $1::bigint OFFSET $2::bigint)",
                                   page.per_page, page.offset())),
          db.run("SELECT count(*) FROM deployment_targets WHERE retired_at IS NULL").front().integer(0)};
}

bool update(db::Executor db, const Target& target) {
  return db.run(R"(UPDATE deployment_targets
                      SET name = $3, type = $4, agent_id = $5, config = $6::jsonb, encrypted_config = $7, enabled = $8,
                          test_status = $9, updated_at = now(), row_version = row_version + 1
                    WHERE id = $1 AND row_version = $2)",
                target.id, *target.row_version, target.name, target.type, target.agent_id, target.config,
                *target.encrypted_config, target.enabled, target.test_status).affected() == 1;
}

void set_manual_action_required(db::Executor db, const std::string& id, bool required) {
  db.run("UPDATE deployment_targets SET manual_action_required = $2 WHERE id = $1", id, required);
}

bool set_test_result(db::Executor db, const std::string& id, domain::TestStatus status, Time at) {
  return db.run("UPDATE deployment_targets SET test_status = $2, last_tested_at = $3 WHERE id = $1", id, domain::name_of(status), at)
             .affected() == 1;
}

bool remove(db::Executor db, const std::string& id, Time at) {
  const bool ended = db.run(R"(UPDATE deployment_targets
                                  SET retired_at = $2, retired_reason = NULL, enabled = false, updated_at = now(),
                                      row_version = row_version + 1
                                WHERE id = $1 AND (retired_at IS NULL OR coalesce(retired_reason, '') <> ''))", id, at).affected() == 1;
  if (!ended) return false;
  db.run("DELETE FROM certificate_target_mappings WHERE target_id = $1", id);
  db.run(R"(UPDATE jobs SET status = 'Cancelled', last_error = 'the target was deleted', completed_at = $2, lease_owner = NULL,
                    lease_expires_at = NULL, updated_at = now()
             WHERE target_id = $1 AND type = 'Deployment' AND status = 'Pending')", id, at);
  return true;
}

}  // namespace certctl::store::targets
