#include "core/base/json.hpp"

#include <fmt/format.h>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/pointer.h>
#include <rapidjson/reader.h>

#include <set>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/base/time.hpp"

namespace certctl::json {
namespace {

constexpr std::size_t kMaxDepth = 64;

/// Hands events on to a Document and refuses what RapidJSON lets through.
class Filter {
 public:
  explicit Filter(Document& document) : document_(document) {}

  bool Null() { return document_.Null(); }
  bool Bool(bool v) { return document_.Bool(v); }
  bool Int(int v) { return document_.Int(v); }
  bool Uint(unsigned v) { return document_.Uint(v); }
  bool Int64(std::int64_t v) { return document_.Int64(v); }
  bool Uint64(std::uint64_t v) { return document_.Uint64(v); }
  bool Double(double v) { return document_.Double(v); }
  bool RawNumber(const char* s, rapidjson::SizeType n, bool copy) { return document_.RawNumber(s, n, copy); }
  bool String(const char* s, rapidjson::SizeType n, bool) { return plain(s, n) && document_.String(s, n, true); }
  bool Key(const char* s, rapidjson::SizeType n, bool) {
    if (!plain(s, n)) return false;
    if (!keys_.back().insert(lower({s, n})).second) return refuse(fmt::format("duplicate key \"{}\"", printable(shorten({s, n}, 64))));
    return document_.Key(s, n, true);
  }
  bool StartObject() { keys_.emplace_back(); return enter() && document_.StartObject(); }
  bool EndObject(rapidjson::SizeType n) { keys_.pop_back(); --depth_; return document_.EndObject(n); }
  bool StartArray() { return enter() && document_.StartArray(); }
  bool EndArray(rapidjson::SizeType n) { --depth_; return document_.EndArray(n); }

  const std::string& refusal() const { return refusal_; }

 private:
  bool enter() { return ++depth_ <= kMaxDepth || refuse(fmt::format("nested deeper than {} levels", kMaxDepth)); }
  bool plain(const char* s, rapidjson::SizeType n) {
    return std::string_view(s, n).find('\0') == std::string_view::npos || refuse("U+0000 is not allowed in a string");
  }
  bool refuse(std::string why) { refusal_ = std::move(why); return false; }

  Document& document_;
  std::size_t depth_ = 0;
  std::vector<std::set<std::string>> keys_;
  std::string refusal_;
};

std::string position(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  std::size_t line = 1, start = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i] == '\n') {
      ++line;
      start = i + 1;
    }
  }
  return fmt::format("line {}, column {} (byte {})", line, before.size() - start + 1, before.size());
}

}  // namespace

Document parse(std::string_view text) {
  Document document;
  std::string problem;
  std::size_t offset = 0;
  auto generate = [&](Document& target) {
    Filter filter(target);
    rapidjson::Reader reader;
    rapidjson::MemoryStream stream(text.data(), text.size());
    constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag | rapidjson::kParseFullPrecisionFlag;
    const auto result = reader.Parse<kFlags>(stream, filter);
    if (!result.IsError()) return true;
    offset = result.Offset();
    problem = filter.refusal().empty() ? rapidjson::GetParseError_En(result.Code()) : filter.refusal();
    return false;
  };
  document.Populate(generate);
  if (!problem.empty()) throw invalid(fmt::format("{} at {}", problem, position(text, offset)));
  return document;
}

std::string dump(const Value& value) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  value.Accept(writer);
  return {buffer.GetString(), buffer.GetSize()};
}

Raw raw(std::string_view text) { return raw(parse(text)); }
Raw raw(const Value& value) { return Raw{dump(value)}; }

const Value* find(const Value& object, std::string_view key) {
  if (!object.IsObject()) return nullptr;
  const Value* close = nullptr;
  for (const auto& member : object.GetObject()) {
    const std::string_view name = text_of(member.name);
    if (name == key) return &member.value;
    if (close == nullptr && equal_ignore_case(name, key)) close = &member.value;
  }
  return close;
}

const Value* at(const Value& root, std::string_view pointer) {
  const rapidjson::Pointer parsed(pointer.data(), pointer.size());
  if (!parsed.IsValid()) return nullptr;
  return parsed.Get(root);
}

std::string_view text_of(const Value& string_value) { return {string_value.GetString(), string_value.GetStringLength()}; }

std::string text_or(const Value& object, std::string_view key, std::string_view fallback) {
  const Value* found = find(object, key);
  return std::string(found != nullptr && found->IsString() ? text_of(*found) : fallback);
}

std::int64_t integer_or(const Value& object, std::string_view key, std::int64_t fallback) {
  const Value* found = find(object, key);
  return found != nullptr && found->IsInt64() ? found->GetInt64() : fallback;
}

bool flag_or(const Value& object, std::string_view key, bool fallback) {
  const Value* found = find(object, key);
  return found != nullptr && found->IsBool() ? found->GetBool() : fallback;
}

std::vector<std::string> texts(const Value& object, std::string_view key) {
  std::vector<std::string> out;
  const Value* found = find(object, key);
  if (found == nullptr || !found->IsArray()) return out;
  for (const auto& item : found->GetArray()) {
    if (item.IsString()) out.emplace_back(text_of(item));
  }
  return out;
}

std::string_view type_name(const Value& value) {
  switch (value.GetType()) {
    case rapidjson::kNullType: return "null";
    case rapidjson::kFalseType:
    case rapidjson::kTrueType: return "boolean";
    case rapidjson::kObjectType: return "object";
    case rapidjson::kArrayType: return "array";
    case rapidjson::kStringType: return "string";
    case rapidjson::kNumberType: return "number";
  }
  return "null";
}

Writer& Writer::value(Time time) { return value(format_time(time)); }

Writer& Writer::value(const std::vector<std::string>& list) {
  begin_array();
  for (const auto& item : list) value(item);
  return end_array();
}

Writer& Writer::value(const std::map<std::string, std::string>& map) {
  begin_object();
  for (const auto& [name, content] : map) field(name, content);
  return end_object();
}

Writer& Writer::value(const Value& value) {
  value.Accept(writer_);
  return *this;
}

}  // namespace certctl::json
