#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.hpp"

namespace certctl::plugin {

/// The settings of an instance as a plugin sees them: one JSON object, read by JSON pointer as texts. Immutable, so safe
/// from several threads.
class Settings {
 public:
  Settings();
  explicit Settings(const json::Raw& object);
  Settings(Settings&&) noexcept = default;
  Settings& operator=(Settings&&) noexcept = default;

  /// A scalar is one text; an array its elements; an object name, value, name, value. Arrays and objects inside those
  /// are JSON text. Empty: absent or null.
  std::vector<std::string> values(std::string_view pointer) const;
  /// The first value; empty: absent.
  std::string text(std::string_view pointer) const;
  std::int64_t integer_or(std::string_view pointer, std::int64_t fallback) const;
  bool flag_or(std::string_view pointer, bool fallback) const;
  /// Whether there is anything, be it null.
  bool has(std::string_view pointer) const { return json::at(document_, pointer) != nullptr; }

  const json::Value& root() const { return document_; }

 private:
  json::Document document_;
};

}  // namespace certctl::plugin
