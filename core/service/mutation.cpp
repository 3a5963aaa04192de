#include "core/service/mutation.hpp"

#include "core/base/error.hpp"
#include "core/base/id.hpp"
#include "core/base/text.hpp"

namespace certctl::service {

void require_name(const std::string& name) {
  if (trim(name).empty()) throw invalid_field("name", "required", "name is required");
  if (count_characters(name) > 255) throw invalid_field("name", "length", "name must be 255 characters or fewer");
}

std::string chosen_id(const std::string& id, std::string_view prefix, const Clock& clock) {
  if (id.empty()) return new_id(prefix, clock);
  if (!is_valid_id(id)) {
    throw invalid_field("id", "pattern", "id must begin with a letter or digit and hold at most 128 of A-Z a-z 0-9 . _ : @ -");
  }
  return id;
}

}  // namespace certctl::service
