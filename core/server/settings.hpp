#pragma once

#include <span>

#include "core/base/config.hpp"

namespace certctl::server {

/// Every setting of certctl-server: read, checked, printed and documented from this one table.
std::span<const config::Setting> settings_table();

}  // namespace certctl::server
