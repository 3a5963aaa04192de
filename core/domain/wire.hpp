#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "core/base/clock.hpp"

/// Member types that carry how a value looks on the wire, so that a struct says it once.
namespace certctl::domain {

/// Text that is left out of JSON when empty.
struct OptionalText : std::string {
  using std::string::string;
  OptionalText(std::string text) : std::string(std::move(text)) {}
};

/// "No time" is Go's `0001-01-01T00:00:00Z` in JSON and NULL in the database. (A plain std::optional<Time> is left out.)
struct ZeroTime : std::optional<Time> {
  using std::optional<Time>::optional;
  ZeroTime(std::optional<Time> time) : std::optional<Time>(time) {}
};

/// Stored, never shown: read from rows, absent from JSON.
template <typename T>
struct Hidden {
  T value{};
  const T& operator*() const { return value; }
  T& operator*() { return value; }
  const T* operator->() const { return &value; }
};

/// The wire names of an enumeration are its enumerators' names; see BOOST_DESCRIBE_ENUM beside each.
template <typename E>
std::string_view name_of(E value);
template <typename E>
std::optional<E> value_of(std::string_view name);

/// A word of a closed enumeration as a row holds it. An adopted database may hold others: they are kept and shown.
template <typename E>
class Word {
 public:
  Word() = default;
  Word(E value) : text_(name_of(value)) {}
  explicit Word(std::string text) : text_(std::move(text)) {}

  const std::string& text() const { return text_; }
  std::optional<E> known() const { return value_of<E>(text_); }
  bool is(E value) const { return text_ == name_of(value); }
  template <typename... Es>
  bool is_one_of(Es... values) const { return (is(values) || ...); }
  friend bool operator==(const Word&, const Word&) = default;

 private:
  std::string text_;
};

}  // namespace certctl::domain
