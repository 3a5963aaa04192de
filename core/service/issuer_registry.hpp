#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "core/db/database.hpp"
#include "core/domain/issuer.hpp"
#include "core/plugin/instance.hpp"
#include "core/plugin/services.hpp"
#include "core/service/connector_settings.hpp"

namespace certctl::service {

/// One connector at work for each issuer, made when first needed from the unsealed settings. When the settings change,
/// running calls end on the old instance and new ones get another; other changes of the row leave it in place.
/// Thread-safe; holds no lock while a plugin runs.
class IssuerRegistry {
 public:
  IssuerRegistry(db::Database& database, const plugin::Host& plugins, const crypto::Sealer& sealer,
                 std::shared_ptr<plugin::Services> services)
      : database_(database), settings_("issuer", plugins, sealer), services_(std::move(services)) {}

  /// Whether the issuer is enabled is the caller's affair: open orders of a disabled one are still polled.
  /// Throws Error(invalid) `issuer connector not found for <id>` (no such issuer), or with the field list when its
  /// settings do not suffice; Error(unavailable) when its plugin is not installed or its settings cannot be decrypted.
  std::shared_ptr<plugin::Instance> instance(const std::string& issuer_id);

  /// Unsealed and unmasked, in the schema's types with defaults filled in. Throws Error(unavailable) as instance() does.
  json::Raw full_config(const domain::Issuer& issuer) const;
  /// Throws Error(unavailable): its plugin is not installed.
  const plugin::Connector& connector(const domain::Issuer& issuer) const;

  /// The issuer was changed or deleted: its instance goes when the last running call has ended.
  void forget(const std::string& issuer_id);

  const ConnectorSettings& settings() const { return settings_; }

 private:
  struct Entry {
    std::int64_t row_version = 0;
    std::string type;
    std::string config_digest;  ///< the settings themselves are kept by the instance alone
    std::shared_ptr<plugin::Instance> instance;
  };

  db::Database& database_;
  const ConnectorSettings settings_;
  const std::shared_ptr<plugin::Services> services_;
  std::mutex mutex_;
  std::map<std::string, Entry> entries_;
};

}  // namespace certctl::service
