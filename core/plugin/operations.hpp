#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include <certctl/call.h>

namespace certctl::plugin {

/// One operation of a kind's table.
struct Operation {
  std::string_view name;
  std::size_t offset;  ///< of its member
};

/// What the host knows of a kind.
struct KindTable {
  std::string_view kind;
  const char* id;  ///< `certctl.issuer/1`
  std::span<const Operation> operations;
};

/// nullptr: a kind this host does not call.
const KindTable* kind_table(std::string_view kind);

/// The member of `table` (whose first member is its size); nullptr: absent or null.
certctl_op* find_operation(const KindTable& kind, const void* table, std::string_view name);

}  // namespace certctl::plugin
