#pragma once

#include <string>
#include <vector>

#include "plugins/common/file_access.hpp"

namespace certctl::common {

/// What a file shall have (targets.md §3.3); unset members leave the choice to the next in line.
struct OwnershipWish {
  std::optional<mode_t> mode;
  std::string owner;  ///< name or digits
  std::string group;
};

/// What a connector gives to files that are new and carry no wish: the first account and group that exist.
struct OwnershipDefaults {
  mode_t mode = 0644;
  std::vector<std::string> owners = {};
  std::vector<std::string> groups = {};
};

/// Precedence: wish, existing file, default. Throws Error(invalid_config) naming an unknown account or group.
Ownership resolve_ownership(const OwnershipWish& wish, const Snapshot& existing, const OwnershipDefaults& defaults);

}  // namespace certctl::common
