#pragma once

#include <memory>
#include <string>

#include "core/http/client.hpp"
#include "core/plugin/services.hpp"
#include "core/plugin_services/key_provider.hpp"
#include "core/plugin_services/state_store.hpp"

namespace certctl::plugin {

struct StandardServicesOptions {
  /// Which addresses plugins of a kind may reach; guarded for notifiers, administrator for issuers and targets.
  http::AddressPolicy address_policy;
  http::Resolver resolver;            ///< empty: the system's
  std::string user_agent;             ///< empty: `certctl/<version>`
  std::string exec_helper;            ///< path of `certctl-exec`; empty: beside this program, then the installed one
  std::shared_ptr<KeyProvider> keys;  ///< null: the service `keys` is not offered
  std::shared_ptr<StateStore> state;  ///< null: the service `state` is not offered
};

/// `http`, `process` and `random`, and `keys` and `state` where given. Thread-safe.
std::shared_ptr<Services> standard_services(StandardServicesOptions options);

}  // namespace certctl::plugin
