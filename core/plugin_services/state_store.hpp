#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/base/text.hpp"

namespace certctl::plugin {

struct StateEntry {
  Bytes value;
  std::int64_t version = 1;  ///< rises with each write
};

/// The small durable store behind the service `state`, one namespace an instance. Thread-safe; durable on return; throws
/// certctl::Error(unavailable) while it cannot be reached.
class StateStore {
 public:
  virtual ~StateStore() = default;
  virtual std::optional<StateEntry> get(std::string_view instance_id, std::string_view key) = 0;
  /// nullopt removes the entry.
  virtual void put(std::string_view instance_id, std::string_view key, std::optional<std::span<const std::uint8_t>> value) = 0;
  /// `version` 0: must not exist yet. false: it changed meanwhile.
  virtual bool compare_and_set(std::string_view instance_id, std::string_view key, std::int64_t version,
                               std::span<const std::uint8_t> value) = 0;
};

}  // namespace certctl::plugin
