#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/json.hpp"
#include "core/base/secret.hpp"
#include "core/plugin/instance.hpp"
#include "core/plugin/manifest.hpp"
#include "core/plugin/services.hpp"

namespace certctl::plugin {

struct InstanceOptions {
  std::string id;     ///< of the row it is made for; services and logs name it
  json::Raw config;   ///< unsealed, unmasked
  std::shared_ptr<Services> services;  ///< null: none are offered
  /// Resolves a secret setting that is a reference (`file:`, `env:`, …) at the moment the plugin reads it, and audits
  /// the use. Unset: the text itself. Throws certctl::Error: the plugin sees the setting as absent, the call fails as
  /// invalid_config.
  std::function<Secret(std::string_view pointer, std::string_view value)> resolve_secret;
};

/// One kind and type of connector that a plugin offers. Lives as long as its Host. All members from any thread.
class Connector {
 public:
  virtual ~Connector() = default;

  virtual const Manifest& manifest() const = 0;
  virtual const std::string& file() const = 0;  ///< absolute path
  const std::string& kind() const { return manifest().kind; }
  const std::string& type() const { return manifest().type; }
  const Schema& schema() const { return manifest().schema; }
  virtual bool serial() const = 0;

  /// Throws Error(invalid) with the field list when the schema refuses the settings or something required is missing,
  /// Error(…) with the plugin's own words when it refuses them.
  virtual std::shared_ptr<Instance> create(InstanceOptions options) const = 0;

  /// What the schema cannot say: the plugin's findings about settings that need not be saved. Empty: it has none to
  /// give. Call schema().check() first.
  virtual std::vector<Finding> validate(const json::Raw& config) const = 0;
};

}  // namespace certctl::plugin
