#pragma once

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"

/// RapidJSON with the traps closed: depth ≤ 64, valid UTF-8, no U+0000, no duplicate keys (two spellings that differ in
/// letter case count as one), no trailing data, iterative parsing. RAPIDJSON_ASSERT throws std::logic_error.
namespace certctl::json {

using Value = rapidjson::Value;
using Document = rapidjson::Document;

/// Parses one JSON text. Throws Error(invalid) that names the cause, line, column and byte offset.
Document parse(std::string_view text);

/// JSON text that is kept as it is (a `config`, `details`): checked when parsed, written verbatim.
struct Raw {
  std::string text = "{}";
  friend bool operator==(const Raw&, const Raw&) = default;
};
/// Checks `text` with parse(); compact form. Throws as parse() does.
Raw raw(std::string_view text);
Raw raw(const Value& value);

std::string dump(const Value& value);

/// A member of an object: exact key, else the one that differs in letter case only; nullptr: absent, or no object.
const Value* find(const Value& object, std::string_view key);
/// By JSON pointer (RFC 6901), exact keys; nullptr: absent. "" is the whole document.
const Value* at(const Value& root, std::string_view pointer);

std::string_view text_of(const Value& string_value);
/// The text member `key`, or `fallback` if absent or not a text.
std::string text_or(const Value& object, std::string_view key, std::string_view fallback = {});
std::int64_t integer_or(const Value& object, std::string_view key, std::int64_t fallback);
bool flag_or(const Value& object, std::string_view key, bool fallback);
std::vector<std::string> texts(const Value& object, std::string_view key);

/// What JSON calls the value's type: `object`, `array`, `string`, `number`, `boolean`, `null`.
std::string_view type_name(const Value& value);

/// Streams JSON into a string. Calls nest as the text does: begin_object, key, value, …, end_object.
class Writer {
 public:
  Writer() : writer_(buffer_) {}
  Writer& begin_object() { writer_.StartObject(); return *this; }
  Writer& end_object() { writer_.EndObject(); return *this; }
  Writer& begin_array() { writer_.StartArray(); return *this; }
  Writer& end_array() { writer_.EndArray(); return *this; }
  Writer& key(std::string_view name) { writer_.Key(name.data(), rapidjson::SizeType(name.size())); return *this; }

  Writer& value(std::string_view text) { writer_.String(text.data(), rapidjson::SizeType(text.size())); return *this; }
  Writer& value(const std::string& text) { return value(std::string_view(text)); }
  Writer& value(const char* text) { return value(std::string_view(text)); }
  Writer& value(bool flag) { writer_.Bool(flag); return *this; }
  Writer& value(int number) { writer_.Int(number); return *this; }
  Writer& value(std::int64_t number) { writer_.Int64(number); return *this; }
  Writer& value(std::uint64_t number) { writer_.Uint64(number); return *this; }
  Writer& value(double number) { writer_.Double(number); return *this; }
  Writer& value(Time time);
  Writer& value(const Raw& raw) { return raw_text(raw.text); }
  Writer& value(const std::vector<std::string>& list);
  Writer& value(const std::map<std::string, std::string>& map);
  Writer& value(const Value& value);
  Writer& null() { writer_.Null(); return *this; }
  /// `text` must be one complete JSON value.
  Writer& raw_text(std::string_view text) { writer_.RawValue(text.data(), text.size(), rapidjson::kObjectType); return *this; }

  template <typename T>
  Writer& field(std::string_view name, const T& content) { key(name); return value(content); }

  std::string take() const { return {buffer_.GetString(), buffer_.GetSize()}; }

 private:
  rapidjson::StringBuffer buffer_;
  rapidjson::Writer<rapidjson::StringBuffer> writer_;
};

}  // namespace certctl::json
