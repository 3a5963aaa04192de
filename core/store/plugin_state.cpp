#include "core/store/plugin_state.hpp"

namespace certctl::store::plugin_state {

std::optional<Row> find(db::Executor db, std::string_view instance_id, std::string_view key) {
  const auto result = db.run("SELECT value_sealed, version FROM plugin_state WHERE instance_id = $1 AND key = $2", instance_id, key);
  if (result.empty()) return std::nullopt;
  return Row{result[0].bytes(0), result[0].integer(1)};
}

void put(db::Executor db, std::string_view instance_id, std::string_view key, const Bytes& sealed) {
  db.run(R"(INSERT INTO plugin_state (instance_id, key, value_sealed, version) VALUES ($1, $2, $3::bytea, 1)
            ON CONFLICT (instance_id, key) DO UPDATE SET value_sealed = excluded.value_sealed, version = plugin_state.version + 1)",
         instance_id, key, sealed);
}

void remove(db::Executor db, std::string_view instance_id, std::string_view key) {
  db.run("DELETE FROM plugin_state WHERE instance_id = $1 AND key = $2", instance_id, key);
}

bool replace(db::Executor db, std::string_view instance_id, std::string_view key, std::int64_t version, const Bytes& sealed) {
  if (version == 0) {
    return db.run(R"(INSERT INTO plugin_state (instance_id, key, value_sealed, version) VALUES ($1, $2, $3::bytea, 1)
                     ON CONFLICT DO NOTHING)", instance_id, key, sealed).affected() == 1;
  }
  return db.run("UPDATE plugin_state SET value_sealed = $4::bytea, version = version + 1 WHERE instance_id = $1 AND key = $2 AND version = $3",
                instance_id, key, version, sealed).affected() == 1;
}

}  // namespace certctl::store::plugin_state
