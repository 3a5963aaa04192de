#pragma once

#include <openssl/types.h>

#include <memory>
#include <mutex>
#include <string>

#include "core/http/server.hpp"

namespace certctl::http {

/// The listener's certificate pair as an SSL_CTX that can be swapped while handshakes go on. Thread-safe.
class TlsContext {
 public:
  /// Throws Error(invalid) with the reason in the words of config-ops.md §2.1.
  TlsContext(std::string cert_path, std::string key_path);

  std::shared_ptr<SSL_CTX> current() const;
  CertificateInfo certificate() const;

  /// Reads the pair again; throws as the constructor and keeps the old pair then.
  void reload();
  /// Whether one of the files differs from what was read last (device, inode, size, time).
  bool files_changed() const;
  /// A fresh context of the same pair, and with it fresh session ticket keys.
  void rotate_ticket_keys();

  const std::string& cert_path() const { return cert_path_; }
  const std::string& key_path() const { return key_path_; }

 private:
  struct Pair;
  void install(std::shared_ptr<const Pair> pair);

  const std::string cert_path_;
  const std::string key_path_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Pair> pair_;
  std::shared_ptr<SSL_CTX> context_;
};

}  // namespace certctl::http
