#pragma once

#include "core/domain/described.hpp"
#include "core/domain/enums.hpp"

namespace certctl::domain {

/// A place on an agent where a certificate goes.
struct Target {
  std::string id;
  std::string name;
  std::string type;
  std::string agent_id;
  json::Raw config;
  bool enabled = true;
  std::optional<Time> last_tested_at;
  OptionalText test_status;
  OptionalText source;
  bool manual_action_required = false;
  std::optional<Time> retired_at;
  OptionalText retired_reason;
  Time created_at{};
  Time updated_at{};
  Hidden<std::optional<Bytes>> encrypted_config;
  Hidden<std::int64_t> row_version{1};
};
BOOST_DESCRIBE_STRUCT(Target, (),
                      (id, name, type, agent_id, config, enabled, last_tested_at, test_status, source,
                       manual_action_required, retired_at, retired_reason, created_at, updated_at, encrypted_config, row_version))

}  // namespace certctl::domain
