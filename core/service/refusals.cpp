#include "core/service/refusals.hpp"

#include <fmt/format.h>

#include "core/base/text.hpp"

namespace certctl::service {

Error already_exists(std::string_view thing, std::string_view field) {
  const std::string message = fmt::format("{} with this {} already exists", thing, field);
  return Error(ErrorKind::conflict, message, {{std::string(field), "duplicate", message}}).with_code("duplicate");
}

Error missing_reference(std::string field, std::string_view thing, std::string_view id) {
  return invalid_field(std::move(field), "unknown", fmt::format("referenced {} does not exist: {}", thing, printable(shorten(id, 128))));
}

Error still_used(const std::string& message, std::initializer_list<std::pair<std::string_view, std::int64_t>> counts) {
  std::vector<FieldError> fields;
  for (const auto& [name, count] : counts) {
    if (count != 0) fields.push_back({std::string(name), "has_dependants", fmt::format("{} {}", count, name)});
  }
  return Error(ErrorKind::conflict, message, std::move(fields)).with_code("has_dependants");
}

Error changed_meanwhile(std::string_view thing) {
  return Error(ErrorKind::conflict, fmt::format("{} was changed by somebody else at the same time; read it again", thing))
      .with_code("version_mismatch");
}

}  // namespace certctl::service
