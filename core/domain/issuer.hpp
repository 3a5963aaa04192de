#pragma once

#include "core/domain/described.hpp"
#include "core/domain/enums.hpp"

namespace certctl::domain {

/// One configured CA connection. `config` is what may be shown; the full settings are sealed beside it.
struct Issuer {
  std::string id;
  std::string name;
  std::string type;
  json::Raw config;
  bool enabled = true;
  std::optional<Time> last_tested_at;
  OptionalText test_status;
  OptionalText source;
  OptionalText hierarchy_mode;
  Time created_at{};
  Time updated_at{};
  Hidden<std::optional<Bytes>> encrypted_config;
  Hidden<std::int64_t> row_version{1};
};
BOOST_DESCRIBE_STRUCT(Issuer, (),
                      (id, name, type, config, enabled, last_tested_at, test_status, source, hierarchy_mode, created_at,
                       updated_at, encrypted_config, row_version))

}  // namespace certctl::domain
