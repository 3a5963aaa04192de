#pragma once

#include <string>
#include <vector>

#include "core/base/clock.hpp"
#include "core/crypto/self_signed.hpp"

namespace certctl::crypto {

struct LoadedIdentity {
  Identity identity;
  std::vector<std::string> warnings;  ///< sentences: a key that its group may read, a certificate soon to expire
};

/// Reads a certificate file (leaf first or not, with its chain) and its key file as a pair (security.md §5, §13).
/// Throws Error(invalid) naming path and remedy: unreadable, no regular file, key readable by others or writable by the
/// group, key of another certificate, certificate expired or not yet valid.
LoadedIdentity load_identity(const std::string& certificate_path, const std::string& key_path, Time now);

/// A file of certificates to trust: at least one, none expired (the message names the subject).
std::vector<Certificate> load_trust_bundle(const std::string& path, Time now);

}  // namespace certctl::crypto
