#pragma once

#include <re2/re2.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/plugin/schema.hpp"

namespace certctl::plugin {

using Patterns = std::map<std::string, std::unique_ptr<re2::RE2>, std::less<>>;

/// One walk of a configuration along its schema: brings values into the schema's types, fills in defaults, and collects
/// everything that is wrong.
class SchemaCheck {
 public:
  SchemaCheck(const Patterns& patterns, json::Document& target, SchemaResult& result)
      : patterns_(patterns), allocator_(target.GetAllocator()), result_(result) {}

  /// nullopt: the value counts as absent.
  std::optional<json::Value> value(const json::Value& schema, const json::Value& given, const std::string& pointer);

 private:
  std::optional<json::Value> coerced(const json::Value& schema, const json::Value& given, const std::string& pointer);
  json::Value object(const json::Value& schema, const json::Value& given, const std::string& pointer);
  json::Value array(const json::Value& schema, const json::Value& given, const std::string& pointer);
  void limits(const json::Value& schema, const json::Value& value, const std::string& pointer);
  void text_limits(const json::Value& schema, std::string_view text, const std::string& pointer);
  void number_limits(const json::Value& schema, double number, const std::string& pointer);
  void error(const std::string& pointer, std::string code, std::string message);

  const Patterns& patterns_;
  json::Document::AllocatorType& allocator_;
  SchemaResult& result_;
};

/// `a` after `/b`: `/b/a`, escaped per RFC 6901.
std::string join_pointer(std::string_view pointer, std::string_view token);

}  // namespace certctl::plugin
