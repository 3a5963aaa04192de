#pragma once

#include "core/crypto/sealer.hpp"
#include "core/db/database.hpp"
#include "core/plugin_services/state_store.hpp"

namespace certctl::server {

/// `plugin_state`, sealed: the same on all replicas.
class DatabaseState final : public plugin::StateStore {
 public:
  DatabaseState(db::Database& database, const crypto::Sealer& sealer) : database_(database), sealer_(sealer) {}
  std::optional<plugin::StateEntry> get(std::string_view instance_id, std::string_view key) override;
  void put(std::string_view instance_id, std::string_view key, std::optional<std::span<const std::uint8_t>> value) override;
  bool compare_and_set(std::string_view instance_id, std::string_view key, std::int64_t version, std::span<const std::uint8_t> value) override;

 private:
  Bytes seal(std::string_view instance_id, std::string_view key, std::span<const std::uint8_t> value) const;
  db::Database& database_;
  const crypto::Sealer& sealer_;
};

}  // namespace certctl::server
