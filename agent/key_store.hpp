#pragma once

#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/crypto/key.hpp"

namespace certctl::agent {

/// What a CSR job wants certified.
struct KeyRequest {
  std::string certificate_id;
  std::string job_id;
  std::string algorithm = "ECDSA-P256";
  std::string common_name;
  std::vector<std::string> sans;
  bool must_staple = false;
  bool reuse_key = false;  ///< certify the current key again instead of a new one
  friend bool operator==(const KeyRequest&, const KeyRequest&) = default;
};

enum class KeyState { pending, current, previous };
std::string_view to_text(KeyState state);

/// One archived key: the record beside it says what it is for.
struct KeyRecord {
  KeyRequest request;
  std::string spki_sha256;
  KeyState state = KeyState::pending;
  std::string csr_pem;
  Time created{};
  std::optional<Time> submitted;  ///< the request may have reached the control plane
  std::optional<Time> accepted;   ///< the control plane has taken it
  int accepted_attempt = 0;
};

/// Private keys, addressed by the SHA-256 of their SubjectPublicKeyInfo (agent.md §6.2):
///
///     <certificate_id>.key                       key of the newest certificate that was fetched
///     archive/<certificate_id>/<spki>.key        every key: pending, current, previous
///     archive/<certificate_id>/<spki>.json       its record; a key without one was never used
///
/// Each change is durable on return, and a crash inside leaves the old or the new state. All members from any thread.
class KeyStore {
 public:
  struct Options {
    int retention = 3;  ///< keys kept for each certificate, pending ones not counted
    /// Keys whose certificates are still deployed are kept whatever the retention says.
    std::function<std::set<std::string>(const std::string& certificate_id)> deployed_spkis;
    /// Called after each durable step; tests end the process there.
    std::function<void(std::string_view step)> on_step;
  };

  /// Takes over what is on disk: adopts `<id>.key` files of upstream's agent, settles interrupted changes, tightens
  /// modes. Throws certctl::Error naming the file and the command that repairs it.
  KeyStore(std::filesystem::path folder, const Clock& clock, Options options);

  /// The job's pending key and request if the job wants the same as before, else a new key; stored before it returns.
  /// Throws Error with upstream's stems `key generation failed: …`, `key storage failed: …`, `CSR creation failed: …`.
  KeyRecord prepare(const KeyRequest& request);

  void mark_submitted(const KeyRecord& record);
  void mark_accepted(const KeyRecord& record, int attempt);

  /// nullopt: no such key here.
  std::optional<crypto::PrivateKey> find(const std::string& certificate_id, const std::string& spki_sha256) const;
  std::optional<KeyRecord> record(const std::string& certificate_id, const std::string& spki_sha256) const;

  /// The certificate with this key has been fetched: `<id>.key` becomes this key, older keys beyond the retention go.
  void promote(const std::string& certificate_id, const std::string& spki_sha256);

  /// A key that the control plane made (server key generation, for demonstrations).
  void add(const std::string& certificate_id, const crypto::PrivateKey& key);

 private:
  std::filesystem::path key_path(const std::string& certificate_id) const;
  std::filesystem::path archive(const std::string& certificate_id) const;
  std::filesystem::path archived(const std::string& certificate_id, const std::string& spki, const char* suffix) const;
  std::optional<KeyRecord> read_record(const std::string& certificate_id, const std::string& spki) const;
  std::vector<KeyRecord> records(const std::string& certificate_id) const;
  void write_record(const KeyRecord& record);
  void write_key(const std::filesystem::path& path, const crypto::PrivateKey& key);
  KeyRecord make(const KeyRequest& request);
  crypto::PrivateKey key_for(const KeyRequest& request) const;
  KeyRecord blank_record(const std::string& certificate_id, const crypto::PrivateKey& key) const;
  std::string current_spki(const std::string& certificate_id) const;
  void set_current(const std::string& certificate_id, const std::string& spki);
  void prune(const std::string& certificate_id);
  void destroy(const std::string& certificate_id, const std::string& spki);
  void settle(const std::string& certificate_id);
  void remove_orphans(const std::string& certificate_id);
  void adopt(const std::string& certificate_id);
  void tighten() const;
  void step(std::string_view name) const;

  std::filesystem::path folder_;
  const Clock& clock_;
  Options options_;
  mutable std::mutex mutex_;
};

}  // namespace certctl::agent
