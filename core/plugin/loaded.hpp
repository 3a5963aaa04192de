#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <certctl/entry.h>

#include "core/plugin/connector.hpp"
#include "core/plugin/host.hpp"
#include "core/plugin/library.hpp"
#include "core/plugin/operations.hpp"
#include "core/plugin/running_call.hpp"
#include "core/plugin/watchdog.hpp"

namespace certctl::plugin {

/// What calls need of their Host; outlives it while instances do.
struct Runtime {
  explicit Runtime(std::chrono::milliseconds overdue) : watchdog(overdue) {}
  Watchdog watchdog;
  std::atomic<bool> closed = false;
};

/// A connector in this process.
class LoadedConnector final : public Connector {
 public:
  /// Throws Error(invalid) when manifest and descriptor disagree.
  LoadedConnector(std::shared_ptr<Library> library, const certctl_descriptor& descriptor,
                  std::shared_ptr<Runtime> runtime);

  const Manifest& manifest() const override { return manifest_; }
  const std::string& file() const override { return library_->file(); }
  bool serial() const override { return (descriptor_.flags & CERTCTL_SERIAL) != 0; }
  std::shared_ptr<Instance> create(InstanceOptions options) const override;
  std::vector<Finding> validate(const json::Raw& config) const override;

  const certctl_factory& factory() const { return library_->factory(); }
  const KindTable& kind_table() const { return *kind_table_; }

 private:
  std::shared_ptr<Library> library_;
  const certctl_descriptor& descriptor_;
  std::shared_ptr<Runtime> runtime_;
  Manifest manifest_;
  const KindTable* kind_table_;
};

class LoadedInstance final : public Instance {
 public:
  /// Creates the plugin's instance. Throws Error with the plugin's own words.
  LoadedInstance(const LoadedConnector& connector, std::shared_ptr<Runtime> runtime, InstanceOptions options,
                 Settings settings);
  ~LoadedInstance() override;
  LoadedInstance(const LoadedInstance&) = delete;
  LoadedInstance& operator=(const LoadedInstance&) = delete;

  Outcome call(std::string_view operation, Call call) override;
  bool supports(std::string_view operation) const override;
  const Connector& connector() const override { return connector_; }
  const std::string& id() const override { return options_.id; }
  bool poisoned() const override { return poisoned_; }

 private:
  Outcome enter(certctl_op* operation, std::string_view name, Call call);

  const LoadedConnector& connector_;
  std::shared_ptr<Runtime> runtime_;
  InstanceOptions options_;
  Settings settings_;
  certctl_instance* instance_ = nullptr;
  const void* table_ = nullptr;
  std::mutex serial_;  // held during calls of a connector that says SERIAL
  std::atomic<bool> poisoned_ = false;
};

}  // namespace certctl::plugin
