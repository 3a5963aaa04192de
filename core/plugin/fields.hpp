#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <certctl/keys.h>
#include <certctl/services.h>

#include "core/base/text.hpp"

namespace certctl::plugin {

/// The fields of a request or a result by ABI key (`CERTCTL_KEY_CSR_PEM`), each with any number of values, in the order
/// in which they were added. Values of secret keys are wiped on destruction. Adding a value of another type than the
/// key's throws std::logic_error: that is a defect of the caller.
class Fields {
 public:
  struct Value {
    std::string text;         ///< text, bytes and map keys
    std::int64_t number = 0;  ///< int and rec keys
    std::uint32_t order = 0;  ///< place among all values
  };
  struct Slot {
    std::uint32_t key;
    std::vector<Value> values;
  };
  /// What was put behind one value of a rec key, up to the next value of that key.
  struct Record;

  Fields() = default;
  Fields(const Fields&) = default;
  Fields(Fields&&) noexcept = default;
  Fields& operator=(const Fields&) = default;
  Fields& operator=(Fields&&) noexcept = default;
  ~Fields();

  Fields& add(std::uint32_t key, std::string_view text);
  Fields& add_bytes(std::uint32_t key, std::span<const std::uint8_t> bytes);
  Fields& add_int(std::uint32_t key, std::int64_t number);
  Fields& add_texts(std::uint32_t key, std::span<const std::string> texts);
  /// One entry of a map key.
  Fields& add_pair(std::uint32_t key, std::string_view name, std::string_view value);
  /// Only when the text is not empty.
  Fields& add_if(std::uint32_t key, std::string_view text) { return text.empty() ? *this : add(key, text); }

  bool has(std::uint32_t key) const { return find(key) != nullptr; }
  std::size_t count(std::uint32_t key) const;
  const Slot* find(std::uint32_t key) const;
  const std::vector<Slot>& slots() const { return slots_; }
  bool empty() const { return slots_.empty(); }

  /// The first value; empty: absent.
  std::string text(std::uint32_t key) const;
  std::vector<std::string> texts(std::uint32_t key) const;
  Bytes bytes(std::uint32_t key) const;
  std::optional<std::int64_t> integer(std::uint32_t key) const;
  std::int64_t integer_or(std::uint32_t key, std::int64_t fallback) const { return integer(key).value_or(fallback); }
  std::vector<std::pair<std::string, std::string>> map(std::uint32_t key) const;
  std::vector<Record> records(std::uint32_t rec_key) const;

 private:
  Value& append(std::uint32_t key, bool number);
  std::vector<Slot> slots_;  // a call has a few dozen keys at most: a linear search beats a tree
  std::uint32_t next_order_ = 0;
};

struct Fields::Record {
  std::int64_t number = 0;
  Fields members;
};

/// The name of a key as manifests and logs spell it: `csr_pem`; `0x01000999` for one this host does not know.
std::string key_name(std::uint32_t key);
/// The key of that name; nullopt: unknown.
std::optional<std::uint32_t> key_of(std::string_view name);

}  // namespace certctl::plugin
