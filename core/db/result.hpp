#pragma once

#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/json.hpp"
#include "core/base/text.hpp"

struct pg_result;

namespace certctl::db {

class ResultData;

/// A column by name or by index. A name that the result lacks is a defect: std::logic_error.
struct Column {
  Column(const char* n) : name(n) {}
  Column(std::string_view n) : name(n) {}
  Column(const std::string& n) : name(n) {}
  Column(int i) : index(i) {}
  std::string_view name;
  int index = -1;
};

/// One row; keeps its result alive. NULL reads as "", 0, false, {} or the Unix epoch through the accessors that are not
/// optional_*.
class Row {
 public:
  bool is_null(Column column) const;

  std::string text(Column column) const { return std::string(view(column)); }
  std::optional<std::string> optional_text(Column column) const;
  /// Valid as long as this row or its result lives.
  std::string_view view(Column column) const;

  std::int64_t integer(Column column) const;
  std::optional<std::int64_t> optional_integer(Column column) const;
  double decimal(Column column) const;
  std::optional<double> optional_decimal(Column column) const;
  bool flag(Column column) const;
  std::optional<bool> optional_flag(Column column) const;

  /// timestamptz; `infinity` is Time::max(), `-infinity` Time::min().
  Time time(Column column) const;
  std::optional<Time> optional_time(Column column) const;

  std::vector<std::string> texts(Column column) const;  ///< text[]; NULL elements read as ""
  Bytes bytes(Column column) const;                     ///< bytea
  std::optional<Bytes> optional_bytes(Column column) const;
  json::Raw json(Column column) const;  ///< NULL reads as `{}`
  std::optional<json::Raw> optional_json(Column column) const;

 private:
  friend class Result;
  Row(std::shared_ptr<const ResultData> data, int row) : data_(std::move(data)), row_(row) {}
  int resolve(const Column& column) const;

  std::shared_ptr<const ResultData> data_;
  int row_;
};

/// What a statement answered. A value: cheap to copy, immutable, fit for any thread.
class Result {
 public:
  Result() = default;
  explicit Result(std::shared_ptr<const ResultData> data) : data_(std::move(data)) {}
  /// Takes the driver's result over.
  static Result adopt(pg_result* result);

  int size() const;
  bool empty() const { return size() == 0; }
  /// Rows that INSERT, UPDATE or DELETE touched; rows read, for SELECT.
  std::int64_t affected() const;
  /// `INSERT 0 1`, `COMMIT`, …
  std::string command() const;

  std::optional<int> column(std::string_view name) const;
  Row operator[](int row) const;
  Row front() const { return (*this)[0]; }
  std::optional<Row> first() const { return empty() ? std::nullopt : std::optional<Row>((*this)[0]); }

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Row;
    using difference_type = std::ptrdiff_t;
    using pointer = const Row*;
    using reference = Row;
    Iterator(const Result* result, int row) : result_(result), row_(row) {}
    Row operator*() const { return (*result_)[row_]; }
    Iterator& operator++() {
      ++row_;
      return *this;
    }
    void operator++(int) { ++row_; }
    bool operator==(const Iterator& other) const { return row_ == other.row_; }

   private:
    const Result* result_;
    int row_;
  };
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, size()}; }

 private:
  std::shared_ptr<const ResultData> data_;
};

}  // namespace certctl::db
