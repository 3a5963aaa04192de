#include "core/store/installation.hpp"

#include "core/base/json.hpp"

namespace certctl::store::installation {

Installation find_or_make(db::Executor db, const Installation& fresh) {
  json::Writer value;
  value.begin_object().field("id", fresh.id).field("salt", fresh.salt_hex).end_object();
  db.run("INSERT INTO settings (name, value, updated_by) VALUES ('installation', $1::jsonb, 'system') ON CONFLICT DO NOTHING", json::Raw{value.take()});
  const auto stored = json::parse(db.run("SELECT value FROM settings WHERE name = 'installation'").front().text(0));
  return {json::text_or(stored, "id"), json::text_or(stored, "salt")};
}

SealedRows sealed_rows(db::Executor db) {
  const auto row = db.run(R"(SELECT (SELECT count(*) FROM issuers WHERE encrypted_config IS NOT NULL) AS issuers,
                                    (SELECT count(*) FROM deployment_targets WHERE encrypted_config IS NOT NULL) AS targets)").front();
  return {row.integer("issuers"), row.integer("targets")};
}

std::optional<Sample> sealed_sample(db::Executor db) {
  const auto result = db.run(R"(
    (SELECT 'issuers' AS place, id, encrypted_config AS blob, true AS config FROM issuers WHERE encrypted_config IS NOT NULL LIMIT 1)
    UNION ALL
    (SELECT 'deployment_targets', id, encrypted_config, true FROM deployment_targets WHERE encrypted_config IS NOT NULL LIMIT 1)
    UNION ALL
    (SELECT 'local_ca_generations', id, key_sealed, false FROM local_ca_generations WHERE key_sealed IS NOT NULL AND state = 'active' LIMIT 1)
    LIMIT 1)");
  if (result.empty()) return std::nullopt;
  return Sample{result[0].text("place"), result[0].text("id"), result[0].bytes("blob"), result[0].flag("config")};
}

void announce(db::Executor db, const std::string& instance_id, const std::string& version, const std::string& address, const json::Raw& capabilities) {
  db.run(R"(INSERT INTO server_instances (instance_id, started_at, heartbeat_at, version, address, capabilities, draining)
            VALUES ($1, now(), now(), $2, $3, $4::jsonb, false)
            ON CONFLICT (instance_id) DO UPDATE SET started_at = now(), heartbeat_at = now(), version = $2, address = $3, capabilities = $4::jsonb, draining = false)",
         instance_id, version, address, capabilities);
}

void beat(db::Executor db, const std::string& instance_id, bool draining) {
  db.run("UPDATE server_instances SET heartbeat_at = now(), draining = $2::bool WHERE instance_id = $1", instance_id, draining);
}

}  // namespace certctl::store::installation
