#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/db/result.hpp"
#include "core/domain/described.hpp"

/// Rows become domain structs by the same description that makes their JSON: column = member name.
namespace certctl::store {

template <typename T>
void read_column(const db::Row& row, int column, T& to) {
  using domain::Described;
  if constexpr (domain::IsHidden<T>::value) {
    read_column(row, column, to.value);
  } else if constexpr (std::is_same_v<T, domain::ZeroTime> || std::is_same_v<T, std::optional<Time>>) {
    if (const auto time = row.optional_time(column)) to.emplace(*time);
    else to.reset();
  } else if constexpr (std::is_same_v<T, std::optional<Bytes>>) {
    to = row.optional_bytes(column);
  } else if constexpr (domain::IsOptional<T>::value) {
    if (row.is_null(column)) {
      to.reset();
    } else {
      to.emplace();
      read_column(row, column, *to);
    }
  } else if constexpr (std::is_same_v<T, Time>) {
    to = row.is_null(column) ? Time{} : row.time(column);
  } else if constexpr (std::is_same_v<T, bool>) {
    to = row.flag(column);
  } else if constexpr (std::is_integral_v<T>) {
    to = T(row.integer(column));
  } else if constexpr (domain::IsWord<T>::value) {
    to = T(row.text(column));
  } else if constexpr (std::is_same_v<T, Bytes>) {
    to = row.bytes(column);
  } else if constexpr (std::is_same_v<T, json::Raw>) {
    if (!row.is_null(column)) to.text = row.text(column);
  } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
    const std::string text = row.text(column);
    if (text.empty() || text[0] == '{') {
      to = row.texts(column);  // text[]
    } else {
      domain::FieldErrors ignored;  // jsonb null, or what an adopted row holds, reads as empty
      domain::read_value(json::parse(text), to, ignored, "");
    }
  } else if constexpr (std::is_convertible_v<T, std::string_view>) {
    to = T(row.text(column));
  } else {  // jsonb: lists and maps
    domain::FieldErrors ignored;
    if (!row.is_null(column)) domain::read_value(json::parse(row.text(column)), to, ignored, "");
  }
}

/// The result's column for each described member of T, in the members' order; −1: none of that name.
template <domain::Described T>
std::vector<int> columns_of(const db::Result& result) {
  std::vector<int> columns;
  boost::mp11::mp_for_each<domain::MembersOf<T>>([&](auto d) { columns.push_back(result.column(d.name).value_or(-1)); });
  return columns;
}

/// Members without a column of their name keep their default.
template <domain::Described T>
T from_row(const db::Row& row, const std::vector<int>& columns) {
  T object{};
  std::size_t member = 0;
  boost::mp11::mp_for_each<domain::MembersOf<T>>([&](auto d) {
    const int column = columns[member++];
    if (column >= 0) read_column(row, column, object.*d.pointer);
  });
  return object;
}

template <domain::Described T>
std::vector<T> from_rows(const db::Result& result) {
  std::vector<T> out;
  out.reserve(std::size_t(result.size()));
  const auto columns = columns_of<T>(result);
  for (const auto& row : result) out.push_back(from_row<T>(row, columns));
  return out;
}

template <domain::Described T>
std::optional<T> from_first(const db::Result& result) {
  if (result.empty()) return std::nullopt;
  return from_row<T>(result[0], columns_of<T>(result));
}

/// JSON text of a list or map, for a jsonb parameter.
template <typename T>
json::Raw to_jsonb(const T& value) {
  json::Writer out;
  domain::write_value(out, value);
  return json::Raw{out.take()};
}

}  // namespace certctl::store
