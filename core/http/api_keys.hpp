#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/secret.hpp"

namespace certctl::http {

using Digest = std::array<std::uint8_t, 32>;
/// SHA-256 of a credential: the only form in which keys are kept.
Digest digest_of(std::string_view credential);

struct ApiKey {
  std::string name;
  Digest hash{};
  bool admin = false;
  bool enroll = false;
  std::optional<Time> not_after;
};

/// The named keys of an installation: an immutable value, so that a reload swaps the whole set.
class ApiKeys {
 public:
  ApiKeys() = default;

  /// `name:key[:admin|enroll]`, comma-separated; key may be `sha256$<64 hex>`. Throws Error(invalid) that names the
  /// ordinal and the name, never the key: `invalid named key format`, `invalid admin flag`, …
  static ApiKeys parse_named(const Secret& setting);
  /// One entry a line, `#` comments, optional `;not_after=<RFC 3339>`. Throws as parse_named, with the line.
  static ApiKeys parse_file(std::string_view content);
  /// Comma-separated keys without names: `legacy-key-<n>`, never admin.
  static ApiKeys parse_legacy(const Secret& setting);

  /// Both sets; the rules on duplicates hold across them.
  ApiKeys merged(const ApiKeys& other) const;

  /// Compares with every entry in constant time. nullptr: no match, or expired at `now`.
  const ApiKey* find(std::string_view key, Time now) const;

  bool empty() const { return keys_.empty(); }
  const std::vector<ApiKey>& entries() const { return keys_; }
  /// What an operator should hear at start: short keys, a single key, rotation windows, the legacy setting.
  const std::vector<std::string>& warnings() const { return warnings_; }
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  void add_entry(std::string_view entry, const std::string& where, std::optional<Time> not_after);
  void check_duplicates() const;
  void review();

  std::vector<ApiKey> keys_;
  std::vector<std::string> warnings_;
  std::vector<std::string> notes_;
  std::size_t short_keys_ = 0;
};

}  // namespace certctl::http
