#include "core/plugin/schema.hpp"

#include <algorithm>
#include <array>
#include <functional>

#include <fmt/format.h>

#include "core/base/text.hpp"
#include "core/plugin/schema_check.hpp"

namespace certctl::plugin {

struct Schema::Compiled {
  json::Document document;
  std::string text;
  Patterns patterns;
  std::vector<std::string> secrets;
  std::vector<std::string> per_request;
  std::vector<Seed> seeds;

  void visit(const json::Value& schema, const std::string& pointer);
  void visit_pattern(const json::Value& schema, const std::string& pointer);
};

namespace {

constexpr auto kTypes = std::to_array<std::string_view>({"object", "array", "string", "number", "integer", "boolean"});
/// Secrets given by reference: the reference is shown, what it stands for is read at call time.
constexpr auto kReferences = std::to_array<std::string_view>({"file:", "env:", "vault:", "cred:"});

[[noreturn]] void refuse(const std::string& pointer, std::string_view what) {
  throw invalid(fmt::format("schema at \"{}\": {}", pointer, what));
}

const json::Value* typed(const json::Value& schema, const char* name, bool (json::Value::*is)() const,
                         const std::string& pointer) {
  const auto found = schema.FindMember(name);
  if (found == schema.MemberEnd()) return nullptr;
  if (!(found->value.*is)()) refuse(pointer, fmt::format("{} has the wrong type", name));
  return &found->value;
}

bool matches(std::span<const std::string_view> pattern, std::span<const std::string_view> path) {
  return std::equal(pattern.begin(), pattern.end(), path.begin(),
                    [](std::string_view wanted, std::string_view token) { return wanted == "*" || wanted == token; });
}

bool is_reference(std::string_view text) {
  return std::any_of(kReferences.begin(), kReferences.end(),
                     [text](std::string_view r) { return text.starts_with(r); });
}

bool is_private_key(std::string_view text) {
  return text.find("-----BEGIN ") != text.npos && text.find("PRIVATE KEY-----") != text.npos;
}

/// Calls `change` for every value below (and `root` itself) with its pointer; true stops the descent.
void each_value(json::Value& value, const std::string& pointer,
                const std::function<bool(json::Value&, const std::string&)>& change) {
  if (change(value, pointer)) return;
  if (value.IsObject()) {
    for (auto& member : value.GetObject())
      each_value(member.value, join_pointer(pointer, json::text_of(member.name)), change);
  } else if (value.IsArray()) {
    for (rapidjson::SizeType i = 0; i < value.Size(); ++i)
      each_value(value[i], pointer + "/" + std::to_string(i), change);
  }
}

}  // namespace

void Schema::Compiled::visit(const json::Value& schema, const std::string& pointer) {
  if (!schema.IsObject()) refuse(pointer, "must be an object");
  if (const auto type = schema.FindMember("type"); type != schema.MemberEnd()) {
    const auto known = [](const json::Value& name) {
      return name.IsString() && std::find(kTypes.begin(), kTypes.end(), json::text_of(name)) != kTypes.end();
    };
    const bool fine =
        type->value.IsArray() ? std::all_of(type->value.Begin(), type->value.End(), known) : known(type->value);
    if (!fine) refuse(pointer, "unknown type");
  }
  visit_pattern(schema, pointer);
  for (const char* name : {"enum", "required"}) typed(schema, name, &json::Value::IsArray, pointer);
  for (const char* name : {"minLength", "maxLength", "minItems", "maxItems"})
    typed(schema, name, &json::Value::IsUint64, pointer);
  for (const char* name : {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}) {
    typed(schema, name, &json::Value::IsNumber, pointer);
  }
  if (json::flag_or(schema, "x-secret", false)) secrets.push_back(pointer);
  if (const std::string variable = json::text_or(schema, "x-env"); !variable.empty())
    seeds.push_back({pointer, variable});
  if (json::flag_or(schema, "x-per-request", false)) {
    if (split(pointer, '/').size() != 2) refuse(pointer, "x-per-request is for top-level settings only");
    per_request.push_back(pointer.substr(1));
  }
  if (const json::Value* properties = typed(schema, "properties", &json::Value::IsObject, pointer)) {
    for (const auto& property : properties->GetObject()) {
      visit(property.value, join_pointer(pointer, json::text_of(property.name)));
    }
  }
  if (const auto items = schema.FindMember("items"); items != schema.MemberEnd()) visit(items->value, pointer + "/*");
  const auto additional = schema.FindMember("additionalProperties");
  if (additional != schema.MemberEnd() && !additional->value.IsBool()) visit(additional->value, pointer + "/*");
}

void Schema::Compiled::visit_pattern(const json::Value& schema, const std::string& pointer) {
  const json::Value* pattern = typed(schema, "pattern", &json::Value::IsString, pointer);
  if (!pattern) return;
  const std::string expression(json::text_of(*pattern));
  auto compiled = std::make_unique<re2::RE2>(expression, re2::RE2::Quiet);
  if (!compiled->ok()) refuse(pointer, "pattern: " + compiled->error());
  patterns.emplace(expression, std::move(compiled));
}

Schema::Schema() : Schema(json::parse(R"({"type": "object"})")) {}

Schema::Schema(const json::Value& schema) {
  auto compiled = std::make_shared<Compiled>();
  compiled->document.CopyFrom(schema, compiled->document.GetAllocator());
  compiled->text = json::dump(schema);
  compiled->visit(compiled->document, "");
  compiled_ = std::move(compiled);
}

SchemaResult Schema::check(const json::Raw& config) const {
  SchemaResult result;
  const json::Document given = json::parse(config.text);
  if (!given.IsObject()) {
    result.errors.push_back({"", "type", "config must be a JSON object"});
    return result;
  }
  json::Document target;
  SchemaCheck check(compiled_->patterns, target, result);
  const auto value = check.value(compiled_->document, given, "");
  if (value) result.config = json::raw(*value);
  return result;
}

const std::vector<std::string>& Schema::secret_pointers() const { return compiled_->secrets; }
const std::vector<std::string>& Schema::per_request() const { return compiled_->per_request; }
const std::vector<Schema::Seed>& Schema::seeds() const { return compiled_->seeds; }
const std::string& Schema::text() const { return compiled_->text; }

bool Schema::is_secret(std::string_view pointer) const {
  const auto path = split(pointer, '/');
  return std::any_of(compiled_->secrets.begin(), compiled_->secrets.end(), [&](const std::string& secret) {
    const auto pattern = split(secret, '/');
    return pattern.size() <= path.size() && matches(pattern, path);
  });
}

json::Raw Schema::masked(const json::Raw& config) const {
  json::Document document = json::parse(config.text);
  each_value(document, "", [&](json::Value& value, const std::string& pointer) {
    const bool text = value.IsString();
    const bool empty = value.IsNull() || (text && value.GetStringLength() == 0);
    const bool hidden = (!pointer.empty() && is_secret(pointer) && !(text && is_reference(json::text_of(value)))) ||
                        (text && is_private_key(json::text_of(value)));
    if (hidden && !empty) value.SetString(kMask.data(), rapidjson::SizeType(kMask.size()));
    return hidden;
  });
  return json::raw(document);
}

json::Raw Schema::restored(const json::Raw& sent, const json::Raw& stored) const {
  json::Document document = json::parse(sent.text);
  const json::Document before = json::parse(stored.text);
  each_value(document, "", [&](json::Value& value, const std::string& pointer) {
    if (!value.IsString() || json::text_of(value) != kMask) return false;
    const json::Value* kept = json::at(before, pointer);
    if (!kept) throw invalid_field(pointer, "masked", "is masked, but nothing is stored there; send the value itself");
    value.CopyFrom(*kept, document.GetAllocator());
    return true;
  });
  return json::raw(document);
}

}  // namespace certctl::plugin
