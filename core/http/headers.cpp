#include "core/http/headers.hpp"

#include <algorithm>

#include "core/base/error.hpp"
#include "core/base/text.hpp"

namespace certctl::http {
namespace {

void check_value(std::string_view name, std::string_view value) {
  constexpr std::string_view kForbidden("\r\n\0", 3);
  if (value.find_first_of(kForbidden) != std::string_view::npos ||
      name.find_first_of(kForbidden) != std::string_view::npos) {
    throw internal("header " + printable(name) + " would hold a line break or NUL");
  }
}

}  // namespace

std::string_view Headers::get(std::string_view name) const {
  for (const auto& field : fields_) {
    if (equal_ignore_case(field.name, name)) return field.value;
  }
  return {};
}

bool Headers::has(std::string_view name) const { return count(name) != 0; }

std::size_t Headers::count(std::string_view name) const {
  return std::size_t(std::ranges::count_if(fields_, [&](const Field& f) { return equal_ignore_case(f.name, name); }));
}

void Headers::add(std::string_view name, std::string_view value) {
  check_value(name, value);
  fields_.push_back({std::string(name), std::string(value)});
}

void Headers::set(std::string_view name, std::string_view value) {
  check_value(name, value);
  const auto first = std::ranges::find_if(fields_, [&](const Field& f) { return equal_ignore_case(f.name, name); });
  if (first == fields_.end()) {
    fields_.push_back({std::string(name), std::string(value)});
    return;
  }
  first->value = value;
  const auto rest =
      std::remove_if(first + 1, fields_.end(), [&](const Field& f) { return equal_ignore_case(f.name, name); });
  fields_.erase(rest, fields_.end());
}

void Headers::remove(std::string_view name) {
  std::erase_if(fields_, [&](const Field& f) { return equal_ignore_case(f.name, name); });
}

bool Headers::lists(std::string_view name, std::string_view token) const {
  for (const auto& field : fields_) {
    if (!equal_ignore_case(field.name, name)) continue;
    for (const auto part : split(field.value, ',')) {
      if (equal_ignore_case(trim(part), token)) return true;
    }
  }
  return false;
}

}  // namespace certctl::http
