#pragma once

#include <array>
#include <map>
#include <mutex>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/secret.hpp"
#include "core/base/text.hpp"

namespace certctl::crypto {

/// Where a sealed value stands; bound to the ciphertext, so that it opens nowhere else.
struct SealedPlace {
  std::string_view table;
  std::string_view row_id;  ///< primary key, parts joined by `/`
  std::string_view column;
};

/// Encryption at rest (security.md §7). AES-256-GCM; keys by PBKDF2 from the passphrase, one derivation (≈ 150 ms) for
/// each distinct salt, cached. Thread-safe.
///
/// Without a passphrase every call but has_key() throws Error(internal) with code `sealing_key_missing`.
/// A blob that nothing opens: Error(internal) with code `sealing_key_wrong`; it never says which step failed.
class Sealer {
 public:
  using Salt = std::array<std::uint8_t, 16>;

  /// `salt` is the installation's. `previous` passphrases only open.
  Sealer(Secret passphrase, Salt salt, std::vector<Secret> previous = {});

  bool has_key() const { return !passphrases_.front().empty(); }
  /// Makes the one derivation now instead of at the first use.
  void prepare() const;

  /// For the columns `encrypted_config`, in upstream's format v3.
  Bytes seal_config(std::string_view plain) const;
  /// Reads v3, v2 and v1.
  Secret open_config(std::span<const std::uint8_t> blob) const;

  /// For every `*_sealed` column: format v4.
  Bytes seal(const SealedPlace& place, std::string_view plain) const;
  Secret open(const SealedPlace& place, std::span<const std::uint8_t> blob) const;

  /// Whether the blob was written with today's passphrase, salt and format; if not, seal it again when convenient.
  bool is_current_config(std::span<const std::uint8_t> blob) const;
  bool is_current(std::span<const std::uint8_t> blob) const;

 private:
  struct KeyName {
    std::size_t passphrase;
    Bytes salt;
    int rounds;
    auto operator<=>(const KeyName&) const = default;
  };

  void require_key() const;
  Secret derived(std::size_t passphrase, std::span<const std::uint8_t> salt, int rounds) const;
  Secret kek(std::size_t passphrase) const;

  std::vector<Secret> passphrases_;  ///< today's first
  Salt salt_;
  mutable std::mutex mutex_;
  mutable std::map<KeyName, Secret> keys_;
};

}  // namespace certctl::crypto
