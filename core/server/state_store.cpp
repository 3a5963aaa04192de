#include "core/server/state_store.hpp"

#include "core/store/plugin_state.hpp"

namespace certctl::server {

Bytes DatabaseState::seal(std::string_view instance_id, std::string_view key, std::span<const std::uint8_t> value) const {
  const std::string row = std::string(instance_id) + "/" + std::string(key);
  return sealer_.seal({"plugin_state", row, "value_sealed"}, as_text(value));
}

std::optional<plugin::StateEntry> DatabaseState::get(std::string_view instance_id, std::string_view key) {
  const auto row = store::plugin_state::find(database_, instance_id, key);
  if (!row) return std::nullopt;
  const std::string place = std::string(instance_id) + "/" + std::string(key);
  return sealer_.open({"plugin_state", place, "value_sealed"}, row->sealed).use([&](std::string_view plain) {
    const auto bytes = as_bytes(plain);
    return plugin::StateEntry{Bytes(bytes.begin(), bytes.end()), row->version};
  });
}

void DatabaseState::put(std::string_view instance_id, std::string_view key, std::optional<std::span<const std::uint8_t>> value) {
  if (value) store::plugin_state::put(database_, instance_id, key, seal(instance_id, key, *value));
  else store::plugin_state::remove(database_, instance_id, key);
}

bool DatabaseState::compare_and_set(std::string_view instance_id, std::string_view key, std::int64_t version, std::span<const std::uint8_t> value) {
  return store::plugin_state::replace(database_, instance_id, key, version, seal(instance_id, key, value));
}

}  // namespace certctl::server
