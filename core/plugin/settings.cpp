#include "core/plugin/settings.hpp"

#include "core/base/error.hpp"
#include "core/base/text.hpp"

namespace certctl::plugin {

namespace {

std::string as_setting(const json::Value& value) {
  return value.IsString() ? std::string(json::text_of(value)) : json::dump(value);
}

}  // namespace

Settings::Settings() { document_.SetObject(); }

Settings::Settings(const json::Raw& object) : document_(json::parse(object.text)) {
  if (!document_.IsObject()) throw invalid("config must be a JSON object");
}

std::vector<std::string> Settings::values(std::string_view pointer) const {
  const json::Value* value = json::at(document_, pointer);
  if (!value || value->IsNull()) return {};
  std::vector<std::string> values;
  if (value->IsArray()) {
    for (const auto& element : value->GetArray()) values.push_back(as_setting(element));
  } else if (value->IsObject()) {
    for (const auto& member : value->GetObject()) {
      values.emplace_back(json::text_of(member.name));
      values.push_back(as_setting(member.value));
    }
  } else {
    values.push_back(as_setting(*value));
  }
  return values;
}

std::string Settings::text(std::string_view pointer) const {
  std::vector<std::string> values = this->values(pointer);
  return values.empty() ? std::string() : std::move(values.front());
}

std::int64_t Settings::integer_or(std::string_view pointer, std::int64_t fallback) const {
  return parse_integer(text(pointer)).value_or(fallback);
}

bool Settings::flag_or(std::string_view pointer, bool fallback) const {
  const std::string value = text(pointer);
  return value.empty() ? fallback : value == "true";
}

}  // namespace certctl::plugin
