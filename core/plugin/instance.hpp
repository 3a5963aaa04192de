#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/plugin/call.hpp"
#include "core/plugin/outcome.hpp"

namespace certctl::plugin {

class Connector;

/// A connector at work with one set of settings. All members from any thread; a connector that says SERIAL is called by
/// one thread at a time. When the last owner lets go, the plugin's instance is destroyed.
class Instance {
 public:
  virtual ~Instance() = default;

  /// Runs `operation` (`issue`, `deploy`, `send`, …; see certctl/issuer.h and its like) on this thread and returns when
  /// the plugin does. Never throws: faults of the plugin are Status::internal, an operation it does not have
  /// not_supported, critical keys or options it does not honour invalid_request before the plugin is entered.
  virtual Outcome call(std::string_view operation, Call call) = 0;

  virtual bool supports(std::string_view operation) const = 0;
  virtual const Connector& connector() const = 0;
  /// The row it was made for, as given to Connector::create().
  virtual const std::string& id() const = 0;
  /// A call outstayed its deadline by ten seconds: no further call is made, make a new instance.
  virtual bool poisoned() const = 0;
};

}  // namespace certctl::plugin
