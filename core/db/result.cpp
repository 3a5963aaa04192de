#include "core/db/result.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <stdexcept>

namespace certctl::db {

/// The driver's result with its column names sorted for look-up.
class ResultData {
 public:
  explicit ResultData(PGresult* result) : result_(result, PQclear) {
    const int count = PQnfields(result);
    names_.reserve(std::size_t(count));
    for (int i = 0; i < count; ++i) names_.emplace_back(PQfname(result, i), i);
    std::stable_sort(names_.begin(), names_.end(), [](auto& a, auto& b) { return a.first < b.first; });
  }

  const PGresult* get() const { return result_.get(); }

  std::optional<int> find(std::string_view name) const {
    const auto found =
        std::lower_bound(names_.begin(), names_.end(), name,
                         [](const auto& entry, std::string_view wanted) { return entry.first < wanted; });
    if (found == names_.end() || found->first != name) return std::nullopt;
    return found->second;
  }

 private:
  std::unique_ptr<PGresult, decltype(&PQclear)> result_;
  std::vector<std::pair<std::string_view, int>> names_;
};

namespace {

[[noreturn]] void malformed(std::string_view type, std::string_view text) {
  throw std::logic_error(fmt::format("column does not hold {}: {}", type, text.substr(0, 60)));
}

int digits(std::string_view text, std::size_t& at) {
  int value = 0;
  const std::size_t start = at;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') value = value * 10 + (text[at++] - '0');
  if (at == start) malformed("a timestamptz", text);
  return value;
}

/// `2026-01-02 03:04:05.678901+00`, the only form of a session with TimeZone UTC and DateStyle ISO.
Time parse_timestamp(std::string_view text) {
  if (text == "infinity") return Time::max();
  if (text == "-infinity") return Time::min();
  std::size_t at = 0;
  int year = digits(text, at);
  const auto separated = [&](char separator) {
    if (at >= text.size() || text[at] != separator) malformed("a timestamptz", text);
    ++at;
    return digits(text, at);
  };
  const int month = separated('-');
  const int day = separated('-');
  const int hour = separated(' ');
  const int minute = separated(':');
  const int second = separated(':');
  std::int64_t micros = 0;
  if (at < text.size() && text[at] == '.') {
    ++at;
    int places = 0;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, ++places)
      micros = micros * 10 + (text[at] - '0');
    for (; places < 6; ++places) micros *= 10;
  }
  if (text.ends_with(" BC")) year = 1 - year;
  const std::chrono::sys_days date = std::chrono::year(year) / month / day;
  return std::chrono::time_point_cast<Duration>(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second) + std::chrono::microseconds(micros);
}

/// `{a,"b c",NULL}`, one dimension.
std::vector<std::string> parse_array(std::string_view text) {
  std::vector<std::string> out;
  if (text.size() < 2 || text.front() != '{' || text.back() != '}') malformed("an array", text);
  text = text.substr(1, text.size() - 2);
  std::size_t at = 0;
  while (at < text.size()) {
    std::string element;
    if (text[at] == '"') {
      for (++at; at < text.size() && text[at] != '"'; ++at) {
        if (text[at] == '\\' && at + 1 < text.size()) ++at;
        element += text[at];
      }
      ++at;
    } else {
      const std::size_t end = std::min(text.find(',', at), text.size());
      element = text.substr(at, end - at);
      if (element == "NULL") element.clear();
      at = end;
    }
    out.push_back(std::move(element));
    if (at < text.size() && text[at] != ',') malformed("an array", text);
    ++at;
  }
  return out;
}

Bytes parse_bytea(std::string_view text) {
  if (!text.starts_with("\\x")) malformed("a bytea", text);
  const std::optional<Bytes> bytes = from_hex(text.substr(2));
  if (!bytes) malformed("a bytea", text);
  return *bytes;
}

}  // namespace

int Row::resolve(const Column& column) const {
  if (column.index >= 0) {
    if (column.index >= PQnfields(data_->get()))
      throw std::logic_error(fmt::format("result has no column {}", column.index));
    return column.index;
  }
  const std::optional<int> index = data_->find(column.name);
  if (!index) throw std::logic_error(fmt::format("result has no column {}", column.name));
  return *index;
}

bool Row::is_null(Column column) const { return PQgetisnull(data_->get(), row_, resolve(column)) != 0; }

std::string_view Row::view(Column column) const {
  const int index = resolve(column);
  return {PQgetvalue(data_->get(), row_, index), std::size_t(PQgetlength(data_->get(), row_, index))};
}

std::optional<std::string> Row::optional_text(Column column) const {
  if (is_null(column)) return std::nullopt;
  return text(column);
}

std::int64_t Row::integer(Column column) const { return optional_integer(column).value_or(0); }

std::optional<std::int64_t> Row::optional_integer(Column column) const {
  if (is_null(column)) return std::nullopt;
  const std::optional<std::int64_t> number = parse_integer(view(column));
  if (!number) malformed("an integer", view(column));
  return number;
}

double Row::decimal(Column column) const { return optional_decimal(column).value_or(0); }

std::optional<double> Row::optional_decimal(Column column) const {
  if (is_null(column)) return std::nullopt;
  const std::optional<double> number = parse_decimal(view(column));
  if (!number) malformed("a number", view(column));
  return number;
}

bool Row::flag(Column column) const { return view(column) == "t"; }

std::optional<bool> Row::optional_flag(Column column) const {
  if (is_null(column)) return std::nullopt;
  return flag(column);
}

Time Row::time(Column column) const { return optional_time(column).value_or(Time{}); }

std::optional<Time> Row::optional_time(Column column) const {
  if (is_null(column)) return std::nullopt;
  return parse_timestamp(view(column));
}

std::vector<std::string> Row::texts(Column column) const {
  if (is_null(column)) return {};
  return parse_array(view(column));
}

Bytes Row::bytes(Column column) const { return optional_bytes(column).value_or(Bytes{}); }

std::optional<Bytes> Row::optional_bytes(Column column) const {
  if (is_null(column)) return std::nullopt;
  return parse_bytea(view(column));
}

json::Raw Row::json(Column column) const { return optional_json(column).value_or(json::Raw{}); }

std::optional<json::Raw> Row::optional_json(Column column) const {
  if (is_null(column)) return std::nullopt;
  return json::Raw{text(column)};
}

Result Result::adopt(pg_result* result) { return Result(std::make_shared<const ResultData>(result)); }

int Result::size() const { return data_ ? PQntuples(data_->get()) : 0; }

std::int64_t Result::affected() const {
  if (!data_) return 0;
  return parse_integer(PQcmdTuples(const_cast<PGresult*>(data_->get()))).value_or(0);
}

std::string Result::command() const {
  return data_ ? std::string(PQcmdStatus(const_cast<PGresult*>(data_->get()))) : std::string();
}

std::optional<int> Result::column(std::string_view name) const { return data_ ? data_->find(name) : std::nullopt; }

Row Result::operator[](int row) const {
  if (row < 0 || row >= size()) throw std::logic_error(fmt::format("result has no row {}", row));
  return Row(data_, row);
}

}  // namespace certctl::db
