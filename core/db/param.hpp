#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/json.hpp"
#include "core/base/text.hpp"

namespace certctl::db {

/// One value of a statement. The server infers its type from the place where it stands; cast in SQL (`$1::text[]`)
/// where it cannot. Text with U+0000 is refused with Error(invalid): PostgreSQL cannot store it.
class Param {
 public:
  Param(std::nullptr_t) : null_(true) {}
  Param(std::nullopt_t) : null_(true) {}
  Param(std::string_view text);
  Param(const std::string& text) : Param(std::string_view(text)) {}
  Param(const char* text) : Param(std::string_view(text)) {}
  Param(bool flag) : value_(flag ? "t" : "f") {}
  template <std::integral I>
  requires(!std::same_as<I, bool> && !std::same_as<I, char>) Param(I number) : value_(std::to_string(number)) {}
  Param(double number);
  Param(Time time);                                 ///< timestamptz; Time::max() is `infinity`, Time::min() `-infinity`
  Param(Duration duration);                         ///< interval
  Param(const Bytes& bytes);                        ///< bytea
  Param(const json::Raw& json);                     ///< jsonb
  Param(const std::vector<std::string>& texts);     ///< text[]
  Param(const std::vector<std::int64_t>& numbers);  ///< bigint[]
  template <typename T>
  Param(const std::optional<T>& value) : Param(nullptr) {
    if (value) *this = Param(*value);
  }

  bool is_null() const { return null_; }
  const std::string& value() const { return value_; }
  bool is_binary() const { return binary_; }

 private:
  std::string value_;
  bool null_ = false;
  bool binary_ = false;
};

/// A statement with its values: for Transaction::batch().
struct Statement {
  std::string sql;
  std::vector<Param> params;
};

template <typename... Args>
Statement statement(std::string_view sql, const Args&... args) {
  return {std::string(sql), {Param(args)...}};
}

}  // namespace certctl::db
