#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace certctl::http {

/// Header fields in the order they came; names compare without case (RFC 9110 §5.1).
class Headers {
 public:
  struct Field {
    std::string name;
    std::string value;
  };

  /// The first value; empty when the field is absent.
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const;
  std::size_t count(std::string_view name) const;
  /// Appends, keeping fields of the same name. A value with CR, LF or NUL throws Error(internal): answers must not be
  /// split by data.
  void add(std::string_view name, std::string_view value);
  /// Replaces every field of that name.
  void set(std::string_view name, std::string_view value);
  void remove(std::string_view name);
  /// True if `token` is an element of the comma list(s) of that name, without case.
  bool lists(std::string_view name, std::string_view token) const;

  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  bool empty() const { return fields_.empty(); }

 private:
  std::vector<Field> fields_;
};

}  // namespace certctl::http
