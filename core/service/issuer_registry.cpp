#include "core/service/issuer_registry.hpp"

#include <fmt/format.h>

#include "core/base/error.hpp"
#include "core/crypto/hash.hpp"
#include "core/service/messages.hpp"
#include "core/store/issuers.hpp"

namespace certctl::service {

const plugin::Connector& IssuerRegistry::connector(const domain::Issuer& issuer) const {
  const auto* connector = settings_.find(issuer.type);
  if (connector == nullptr) {
    throw unavailable(fmt::format("issuer connector not found for {}: no plugin for type {} is installed", issuer.id, issuer.type));
  }
  return *connector;
}

json::Raw IssuerRegistry::full_config(const domain::Issuer& issuer) const {
  try {
    return settings_.filled(issuer.type, issuer.config, *issuer.encrypted_config);
  } catch (const Error& e) {
    throw unavailable(fmt::format("issuer {}: {}", issuer.id, e.what()));
  }
}

std::shared_ptr<plugin::Instance> IssuerRegistry::instance(const std::string& issuer_id) {
  const auto issuer = store::issuers::find(database_, issuer_id);
  if (!issuer) {
    forget(issuer_id);
    throw invalid(fmt::format("issuer connector not found for {}", issuer_id));
  }
  {
    std::scoped_lock lock(mutex_);
    const auto known = entries_.find(issuer_id);
    if (known != entries_.end() && known->second.row_version == *issuer->row_version && !known->second.instance->poisoned()) {
      return known->second.instance;
    }
  }
  const auto& connector = this->connector(*issuer);
  const json::Raw config = full_config(*issuer);
  Entry entry{*issuer->row_version, connector.type(), crypto::sha256_hex(config.text), nullptr};
  {
    std::scoped_lock lock(mutex_);
    const auto known = entries_.find(issuer_id);
    if (known != entries_.end() && known->second.type == entry.type && known->second.config_digest == entry.config_digest &&
        !known->second.instance->poisoned()) {
      known->second.row_version = entry.row_version;  // renamed, switched: no reason to lose what the instance knows
      return known->second.instance;
    }
  }
  try {
    entry.instance = connector.create({issuer_id, config, services_, {}});
  } catch (const Error& e) {
    log::write(messages::kIssuerUnavailable, {{"issuer_id", issuer_id}, {"type", entry.type}, {"error", e.what()}});
    throw;
  }
  std::scoped_lock lock(mutex_);
  auto& slot = entries_[issuer_id];
  const bool newer_there = slot.instance != nullptr && slot.row_version >= entry.row_version && !slot.instance->poisoned();
  if (!newer_there) slot = std::move(entry);
  return slot.instance;
}

void IssuerRegistry::forget(const std::string& issuer_id) {
  std::shared_ptr<plugin::Instance> last;  // outlives the lock: a plugin may take its time to end
  std::scoped_lock lock(mutex_);
  if (const auto known = entries_.find(issuer_id); known != entries_.end()) {
    last = std::move(known->second.instance);
    entries_.erase(known);
  }
}

}  // namespace certctl::service
