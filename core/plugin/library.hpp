#pragma once

#include <memory>
#include <string>

#include <certctl/entry.h>

#include "core/base/clock.hpp"

namespace certctl::plugin {

/// A plugin's library in this process. Stays mapped for ever, whoever lets go of it: threads may still be in its code,
/// and C++ libraries cannot be unloaded reliably anyway.
class Library {
 public:
  virtual ~Library() = default;
  virtual const certctl_factory& factory() const = 0;
  virtual const std::string& file() const = 0;
  /// Runs the plugin's `deinit`, once; it can not be used again.
  virtual void close() = 0;
};

/// Checks and loads the file (absolute path) and runs `init`, both once a process; the plugin's clock is the one given
/// then. Throws Error(invalid) that names file and reason.
std::shared_ptr<Library> load_library(const std::string& file, std::shared_ptr<const Clock> clock);

}  // namespace certctl::plugin
