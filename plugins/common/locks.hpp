#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "plugins/common/file_access.hpp"

namespace certctl::common {

/// Exclusive use of a target and of its files, against other threads and against other processes on this host: one
/// `flock` on `<state_dir>/locks/<sha256 of the name>` each, taken in sorted order, given up on destruction.
class Locks {
 public:
  /// Waits while `wait` answers true. Throws Error(conflict) naming what is locked.
  Locks(const std::string& state_dir, std::vector<std::string> names,
        const std::function<bool(std::chrono::milliseconds)>& wait);

 private:
  std::vector<Descriptor> held_;
};

}  // namespace certctl::common
