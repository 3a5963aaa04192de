#include "core/plugin/schema_check.hpp"

#include <cmath>

#include <fmt/format.h>

#include "core/base/text.hpp"

namespace certctl::plugin {

namespace {

std::vector<std::string_view> types_of(const json::Value& schema) {
  const json::Value* type = json::at(schema, "/type");
  if (!type) return {};
  if (type->IsString()) return {json::text_of(*type)};
  std::vector<std::string_view> types;
  for (const auto& name : type->GetArray()) types.push_back(json::text_of(name));
  return types;
}

bool is_type(const json::Value& value, std::string_view type) {
  if (type == "integer") {
    return value.IsInt64() || (value.IsDouble() && std::trunc(value.GetDouble()) == value.GetDouble() &&
                               std::abs(value.GetDouble()) < 9007199254740992.0);
  }
  return json::type_name(value) == type;
}

std::string with_article(std::span<const std::string_view> types) {
  std::string text;
  for (std::string_view type : types) {
    if (!text.empty()) text += " or ";
    text += (type.find_first_of("aio") == 0 ? "an " : "a ") + std::string(type);
  }
  return text;
}

json::Value text_value(std::string_view text, json::Document::AllocatorType& allocator) {
  return json::Value(text.data(), rapidjson::SizeType(text.size()), allocator);
}

/// A text where another type is due: the dashboard and shell scripts send numbers, flags and objects that way.
std::optional<json::Value> from_text(std::string_view text, std::string_view type,
                                     json::Document::AllocatorType& allocator) {
  if (type == "integer") {
    if (const auto number = parse_integer(trim(text))) return json::Value(*number);
  } else if (type == "number") {
    if (const auto number = parse_decimal(trim(text))) return json::Value(*number);
  } else if (type == "boolean") {
    if (equal_ignore_case(trim(text), "true")) return json::Value(true);
    if (equal_ignore_case(trim(text), "false")) return json::Value(false);
  } else if (type == "object" || type == "array") {
    try {
      const json::Document parsed = json::parse(text);
      if (json::type_name(parsed) == type) return json::Value(parsed, allocator);
    } catch (const Error&) {
      // No JSON: the caller reports the wrong type.
    }
  }
  return std::nullopt;
}

const json::Value* member(const json::Value& schema, const char* name) {
  const auto found = schema.FindMember(name);
  return found == schema.MemberEnd() ? nullptr : &found->value;
}

}  // namespace

std::string join_pointer(std::string_view pointer, std::string_view token) {
  std::string joined(pointer);
  joined += '/';
  for (const char c : token) {
    if (c == '~')
      joined += "~0";
    else if (c == '/')
      joined += "~1";
    else
      joined += c;
  }
  return joined;
}

void SchemaCheck::error(const std::string& pointer, std::string code, std::string message) {
  result_.errors.push_back({pointer, std::move(code), std::move(message)});
}

std::optional<json::Value> SchemaCheck::value(const json::Value& schema, const json::Value& given,
                                              const std::string& pointer) {
  std::optional<json::Value> value = coerced(schema, given, pointer);
  if (!value) return std::nullopt;
  if (value->IsObject())
    value = object(schema, *value, pointer);
  else if (value->IsArray())
    value = array(schema, *value, pointer);
  limits(schema, *value, pointer);
  return value;
}

std::optional<json::Value> SchemaCheck::coerced(const json::Value& schema, const json::Value& given,
                                                const std::string& pointer) {
  const auto types = types_of(schema);
  if (given.IsNull()) return std::nullopt;
  if (types.empty()) return json::Value(given, allocator_);
  for (std::string_view type : types) {
    if (!is_type(given, type)) continue;
    if (type == "integer" && given.IsDouble()) return json::Value(std::int64_t(given.GetDouble()));
    return json::Value(given, allocator_);
  }
  if (given.IsString()) {
    const std::string_view text = json::text_of(given);
    if (text.empty()) return std::nullopt;  // how the dashboard sends a cleared number
    for (std::string_view type : types) {
      if (auto value = from_text(text, type, allocator_)) return value;
    }
  }
  const bool scalar = given.IsNumber() || given.IsBool();
  for (std::string_view type : types) {
    if (type == "string" && scalar) return text_value(json::dump(given), allocator_);
  }
  error(pointer, "type",
        fmt::format("must be {}, not {}", with_article(types), with_article(std::array{json::type_name(given)})));
  return std::nullopt;
}

json::Value SchemaCheck::object(const json::Value& schema, const json::Value& given, const std::string& pointer) {
  json::Value result(rapidjson::kObjectType);
  const json::Value* properties = member(schema, "properties");
  const json::Value* additional = member(schema, "additionalProperties");
  const json::Value nothing(rapidjson::kObjectType);
  const auto add = [&](const json::Value& name, std::optional<json::Value> value) {
    if (value) result.AddMember(json::Value(name, allocator_), std::move(*value), allocator_);
  };
  for (const auto& entry : given.GetObject()) {
    const std::string place = join_pointer(pointer, json::text_of(entry.name));
    const auto known = (properties ? *properties : nothing).FindMember(entry.name);
    if (properties && known != properties->MemberEnd()) {
      add(entry.name, value(known->value, entry.value, place));
    } else if (additional && additional->IsObject()) {
      add(entry.name, value(*additional, entry.value, place));
    } else {
      add(entry.name, json::Value(entry.value, allocator_));
      const bool open = !properties || (additional && additional->IsTrue());
      if (!open) result_.warnings.push_back({place, "unknown", "unknown key; it has no effect"});
    }
  }
  if (properties) {
    for (const auto& property : properties->GetObject()) {
      if (result.HasMember(property.name)) continue;
      const json::Value* fallback = member(property.value, "default");
      if (fallback)
        add(property.name, value(property.value, *fallback, join_pointer(pointer, json::text_of(property.name))));
    }
  }
  if (const json::Value* required = member(schema, "required")) {
    for (const auto& name : required->GetArray()) {
      const auto present = result.FindMember(name);
      const bool empty =
          present != result.MemberEnd() && present->value.IsString() && present->value.GetStringLength() == 0;
      if (present != result.MemberEnd() && !empty) continue;
      const std::string key(json::text_of(name));
      result_.missing.push_back({join_pointer(pointer, key), "required", key + " is required"});
    }
  }
  return result;
}

json::Value SchemaCheck::array(const json::Value& schema, const json::Value& given, const std::string& pointer) {
  json::Value result(rapidjson::kArrayType);
  const json::Value* items = member(schema, "items");
  for (rapidjson::SizeType i = 0; i < given.Size(); ++i) {
    auto element =
        items ? value(*items, given[i], pointer + "/" + std::to_string(i)) : json::Value(given[i], allocator_);
    if (element) result.PushBack(std::move(*element), allocator_);
  }
  return result;
}

void SchemaCheck::limits(const json::Value& schema, const json::Value& value, const std::string& pointer) {
  if (const json::Value* list = member(schema, "enum")) {
    bool found = false;
    std::string choices;
    for (const auto& choice : list->GetArray()) {
      found = found || choice == value;
      choices += (choices.empty() ? "" : ", ") + json::dump(choice);
    }
    if (!found) error(pointer, "enum", "must be one of " + choices);
  }
  if (const json::Value* constant = member(schema, "const"); constant && *constant != value) {
    error(pointer, "enum", "must be " + json::dump(*constant));
  }
  if (value.IsString()) text_limits(schema, json::text_of(value), pointer);
  if (value.IsNumber()) number_limits(schema, value.GetDouble(), pointer);
  if (!value.IsArray()) return;
  if (const json::Value* least = member(schema, "minItems"); least && value.Size() < least->GetUint64()) {
    error(pointer, "range", fmt::format("must have at least {} elements", least->GetUint64()));
  }
  if (const json::Value* most = member(schema, "maxItems"); most && value.Size() > most->GetUint64()) {
    error(pointer, "range", fmt::format("must have at most {} elements", most->GetUint64()));
  }
  if (const json::Value* unique = member(schema, "uniqueItems"); unique && unique->IsTrue()) {
    for (rapidjson::SizeType i = 0; i < value.Size(); ++i) {
      for (rapidjson::SizeType j = 0; j < i; ++j) {
        if (value[i] == value[j])
          return error(fmt::format("{}/{}", pointer, i), "duplicate", "stands in the list twice");
      }
    }
  }
}

void SchemaCheck::text_limits(const json::Value& schema, std::string_view text, const std::string& pointer) {
  const std::size_t length = count_characters(text);
  if (const json::Value* least = member(schema, "minLength"); least && length < least->GetUint64()) {
    error(pointer, "range",
          length == 0 ? "must not be empty" : fmt::format("must have at least {} characters", least->GetUint64()));
  }
  if (const json::Value* most = member(schema, "maxLength"); most && length > most->GetUint64()) {
    error(pointer, "range", fmt::format("must have at most {} characters", most->GetUint64()));
  }
  if (const json::Value* pattern = member(schema, "pattern")) {
    const auto compiled = patterns_.find(json::text_of(*pattern));
    if (!text.empty() && !re2::RE2::PartialMatch({text.data(), text.size()}, *compiled->second)) {
      error(pointer, "pattern", fmt::format("must match {}", json::text_of(*pattern)));
    }
  }
}

void SchemaCheck::number_limits(const json::Value& schema, double number, const std::string& pointer) {
  const auto limit = [&](const char* name, auto violated, const char* text) {
    const json::Value* bound = member(schema, name);
    if (bound && violated(number, bound->GetDouble())) {
      error(pointer, "range", fmt::format("must be {} {}", text, json::dump(*bound)));
    }
  };
  limit("minimum", std::less<>(), "at least");
  limit("maximum", std::greater<>(), "at most");
  limit("exclusiveMinimum", std::less_equal<>(), "more than");
  limit("exclusiveMaximum", std::greater_equal<>(), "less than");
}

}  // namespace certctl::plugin
