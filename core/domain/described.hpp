#pragma once

#include <boost/describe.hpp>
#include <boost/mp11.hpp>
#include <fmt/format.h>

#include <limits>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/base/error.hpp"
#include "core/base/json.hpp"
#include "core/base/text.hpp"
#include "core/base/time.hpp"
#include "core/domain/wire.hpp"

/// A struct's fields are described once (BOOST_DESCRIBE_STRUCT); its JSON follows from that here, its rows in
/// core/store/rows.hpp. The member's name is the JSON key and the column.
namespace certctl::domain {

template <typename T>
using MembersOf = boost::describe::describe_members<T, boost::describe::mod_any_access | boost::describe::mod_inherited>;

template <typename T>
concept Described = boost::describe::has_describe_members<T>::value && std::is_class_v<T>;

template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <typename T>
struct IsHidden : std::false_type {};
template <typename T>
struct IsHidden<Hidden<T>> : std::true_type {};
template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};
template <typename T>
struct IsWord : std::false_type {};
template <typename E>
struct IsWord<Word<E>> : std::true_type {};

template <typename E>
std::string_view name_of(E value) {
  std::string_view name;
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<E>>([&](auto d) {
    if (d.value == value) name = d.name;
  });
  return name;
}

template <typename E>
std::optional<E> value_of(std::string_view name) {
  std::optional<E> value;
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<E>>([&](auto d) {
    if (name == d.name) value = d.value;
  });
  return value;
}

template <typename E>
std::vector<std::string> names_of() {
  std::vector<std::string> names;
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<E>>([&](auto d) { names.emplace_back(d.name); });
  return names;
}

// --- writing -------------------------------------------------------------------------------------------------------

template <Described T>
void write_json(json::Writer& out, const T& object);

template <typename T>
void write_value(json::Writer& out, const T& value) {
  if constexpr (std::is_same_v<T, ZeroTime>) {
    if (value) out.value(*value);
    else out.value(kZeroTimeText);
  } else if constexpr (IsOptional<T>::value) {
    write_value(out, *value);
  } else if constexpr (IsWord<T>::value) {
    out.value(value.text());
  } else if constexpr (std::is_same_v<T, OptionalText>) {
    out.value(static_cast<const std::string&>(value));
  } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
    out.value(value);
  } else if constexpr (IsVector<T>::value) {
    out.begin_array();
    for (const auto& item : value) write_value(out, item);
    out.end_array();
  } else if constexpr (Described<T>) {
    write_json(out, value);
  } else {
    out.value(value);
  }
}

/// Whether JSON leaves the member out: hidden, an optional without value, an optional text that is empty.
template <typename T>
bool is_left_out(const T& value) {
  if constexpr (IsHidden<T>::value) return true;
  else if constexpr (std::is_same_v<T, ZeroTime>) return false;
  else if constexpr (IsOptional<T>::value) return !value.has_value();
  else if constexpr (std::is_same_v<T, OptionalText>) return value.empty();
  else return false;
}

/// The members of `object`, without the braces, so that a resource can add what it derives.
template <Described T>
void write_members(json::Writer& out, const T& object) {
  boost::mp11::mp_for_each<MembersOf<T>>([&](auto d) {
    const auto& value = object.*d.pointer;
    if constexpr (!IsHidden<std::decay_t<decltype(value)>>::value) {
      if (!is_left_out(value)) {
        out.key(d.name);
        write_value(out, value);
      }
    }
  });
}

template <Described T>
void write_json(json::Writer& out, const T& object) {
  out.begin_object();
  write_members(out, object);
  out.end_object();
}

template <Described T>
std::string to_json(const T& object) {
  json::Writer out;
  write_json(out, object);
  return out.take();
}

// --- reading -------------------------------------------------------------------------------------------------------

using FieldErrors = std::vector<FieldError>;

inline void type_error(FieldErrors& errors, const std::string& pointer, std::string_view wanted, const json::Value& got) {
  errors.push_back({pointer, "type", fmt::format("{} must be {}, not {}", pointer.empty() ? "the body" : pointer.substr(1), wanted, json::type_name(got))});
}

template <Described T>
void read_object(const json::Value& body, T& object, std::span<const std::string_view> members, FieldErrors& errors, const std::string& at);

/// `null` clears texts, lists, maps and optionals; a wrong type is one error that names the JSON pointer.
template <typename T>
void read_value(const json::Value& from, T& to, FieldErrors& errors, const std::string& pointer) {
  if constexpr (std::is_same_v<T, ZeroTime> || std::is_same_v<T, std::optional<Time>>) {
    if (from.IsNull()) { to.reset(); return; }
    const auto time = from.IsString() ? parse_time(json::text_of(from)) : std::nullopt;
    if (!time) return type_error(errors, pointer, "an RFC 3339 time", from);
    if (is_zero_time(*time)) to.reset();
    else to.emplace(*time);
  } else if constexpr (std::is_same_v<T, Time>) {
    const auto time = from.IsString() ? parse_time(json::text_of(from)) : std::nullopt;
    if (!time) return type_error(errors, pointer, "an RFC 3339 time", from);
    to = *time;
  } else if constexpr (IsOptional<T>::value) {
    if (from.IsNull()) { to.reset(); return; }
    typename T::value_type inner{};
    read_value(from, inner, errors, pointer);
    to = std::move(inner);
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!from.IsBool()) return type_error(errors, pointer, "a boolean", from);
    to = from.GetBool();
  } else if constexpr (std::is_integral_v<T>) {
    const bool whole = from.IsInt64() || (from.IsDouble() && from.GetDouble() == double(std::int64_t(from.GetDouble())) && from.GetDouble() > -9e15 && from.GetDouble() < 9e15);
    if (!whole) return type_error(errors, pointer, "a whole number", from);
    const std::int64_t number = from.IsInt64() ? from.GetInt64() : std::int64_t(from.GetDouble());
    if (number < std::numeric_limits<std::int32_t>::min() || number > std::numeric_limits<std::int32_t>::max()) {
      errors.push_back({pointer, "range", fmt::format("{} is out of range", pointer.substr(1))});
      return;
    }
    to = T(number);
  } else if constexpr (IsWord<T>::value) {
    if (!from.IsString()) return type_error(errors, pointer, "a string", from);
    to = T(std::string(json::text_of(from)));
  } else if constexpr (std::is_same_v<T, json::Raw>) {
    if (from.IsNull()) { to = json::Raw{}; return; }
    if (from.IsString()) {  // text that holds an object is taken as the object
      try { to = json::raw(json::text_of(from)); } catch (const Error&) { return type_error(errors, pointer, "an object", from); }
      if (to.text.empty() || to.text[0] != '{') return type_error(errors, pointer, "an object", from);
      return;
    }
    if (!from.IsObject()) return type_error(errors, pointer, "an object", from);
    to = json::raw(from);
  } else if constexpr (std::is_convertible_v<T, std::string_view>) {
    if (from.IsNull()) { to.clear(); return; }
    if (!from.IsString()) return type_error(errors, pointer, "a string", from);
    to = T(std::string(json::text_of(from)));
  } else if constexpr (std::is_same_v<T, std::map<std::string, std::string>>) {
    to.clear();
    if (from.IsNull()) return;
    if (!from.IsObject()) return type_error(errors, pointer, "an object of strings", from);
    for (const auto& member : from.GetObject()) {
      const std::string inner = pointer + '/' + std::string(json::text_of(member.name));
      if (!member.value.IsString()) type_error(errors, inner, "a string", member.value);
      else to[std::string(json::text_of(member.name))] = json::text_of(member.value);
    }
  } else if constexpr (IsVector<T>::value) {
    to.clear();
    if (from.IsNull()) return;
    if (!from.IsArray()) return type_error(errors, pointer, "an array", from);
    for (rapidjson::SizeType i = 0; i < from.Size(); ++i) {
      typename T::value_type item{};
      read_value(from[i], item, errors, fmt::format("{}/{}", pointer, i));
      to.push_back(std::move(item));
    }
  } else if constexpr (Described<T>) {
    if (!from.IsObject()) return type_error(errors, pointer, "an object", from);
    read_object(from, to, {}, errors, pointer);
  } else {
    static_assert(sizeof(T) == 0, "no JSON form for this type");
  }
}

/// Sets the described members that `body` names; an absent key keeps its value, unknown keys are ignored. `members`
/// lists what a client may write; empty: all.
template <Described T>
void read_object(const json::Value& body, T& object, std::span<const std::string_view> members, FieldErrors& errors, const std::string& at) {
  boost::mp11::mp_for_each<MembersOf<T>>([&](auto d) {
    using Member = std::decay_t<decltype(object.*d.pointer)>;
    if constexpr (!IsHidden<Member>::value) {
      bool writable = members.empty();
      for (const auto name : members) writable = writable || name == d.name;
      const json::Value* found = writable ? json::find(body, d.name) : nullptr;
      if (found != nullptr) read_value(*found, object.*d.pointer, errors, at + '/' + d.name);
    }
  });
}

/// read_object() on a request body; throws Error(invalid) with `prefix` and every wrong field.
template <Described T>
void merge_json(const json::Value& body, T& object, std::span<const std::string_view> members, std::string_view prefix = "Invalid request body") {
  FieldErrors errors;
  if (body.IsNull()) return;  // decoded as an empty object
  if (!body.IsObject()) type_error(errors, "", "an object", body);
  else read_object(body, object, members, errors, "");
  if (!errors.empty()) {
    const std::string message = fmt::format("{}: {}", prefix, errors.front().message);
    throw Error(ErrorKind::invalid, message, std::move(errors));
  }
}

}  // namespace certctl::domain
