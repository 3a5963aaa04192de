#pragma once

#include <optional>
#include <string_view>

#include "core/db/executor.hpp"

/// The small durable store of connectors' instances.
namespace certctl::store::plugin_state {

struct Row {
  Bytes sealed;
  std::int64_t version = 0;
};
std::optional<Row> find(db::Executor db, std::string_view instance_id, std::string_view key);
void put(db::Executor db, std::string_view instance_id, std::string_view key, const Bytes& sealed);
void remove(db::Executor db, std::string_view instance_id, std::string_view key);
/// Version 0: must not exist yet. False: it changed meanwhile.
bool replace(db::Executor db, std::string_view instance_id, std::string_view key, std::int64_t version, const Bytes& sealed);

}  // namespace certctl::store::plugin_state
