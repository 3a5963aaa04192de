#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/error.hpp"

/// The refusals that all resources share, so that each is worded once.
namespace certctl::service {

/// 409 `<Thing> with this <field> already exists`.
Error already_exists(std::string_view thing, std::string_view field);

/// 400 `referenced <thing> does not exist: <id>`.
Error missing_reference(std::string field, std::string_view thing, std::string_view id);

/// 409 with one entry in the field list for each count that is not zero.
Error still_used(const std::string& message, std::initializer_list<std::pair<std::string_view, std::int64_t>> counts);

/// 409: somebody else changed the row between reading and writing, several times over.
Error changed_meanwhile(std::string_view thing);

}  // namespace certctl::service
