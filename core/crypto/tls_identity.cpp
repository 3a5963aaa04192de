#include "core/crypto/tls_identity.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/base/error.hpp"
#include "core/base/time.hpp"

namespace certctl::crypto {
namespace {

constexpr std::size_t kMaxFileBytes = 4 * 1024 * 1024;

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int get() const { return number_; }

 private:
  int number_;
};

/// Opened once; mode and owner are those of the descriptor, not of a path that may have changed meanwhile.
struct OpenFile {
  std::string content;
  struct stat status;
};

OpenFile read_file(const std::string& path, std::string_view what) {
  const auto fault = [&](const std::string& why) { return invalid(std::string(what) + " file " + path + ": " + why); };
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  OpenFile result{};
  if (file.get() < 0 || ::fstat(file.get(), &result.status) != 0) throw fault(std::strerror(errno));
  if (!S_ISREG(result.status.st_mode)) throw fault("is not a regular file");
  if (std::size_t(result.status.st_size) > kMaxFileBytes) throw fault("is larger than 4 MiB");
  result.content.resize(std::size_t(result.status.st_size));
  std::size_t have = 0;
  while (have < result.content.size()) {
    const ssize_t size = ::read(file.get(), result.content.data() + have, result.content.size() - have);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) throw fault(std::strerror(errno));
    if (size == 0) break;
    have += std::size_t(size);
  }
  result.content.resize(have);
  return result;
}

/// security.md §13: others may not read a key, the group may not write it.
void check_key_mode(const std::string& path, const struct stat& status, std::vector<std::string>& warnings) {
  constexpr mode_t kRefused = S_IRWXO | S_IWGRP | S_IXGRP;
  if ((status.st_mode & kRefused) != 0) {
    throw invalid("key file " + path + " can be reached by others than its owner: chmod 0600 it");
  }
  if (status.st_uid != ::geteuid() && status.st_uid != 0) {
    throw invalid("key file " + path + " belongs to another user: chown it to the user of this program or to root");
  }
  if ((status.st_mode & S_IRGRP) != 0) warnings.push_back("key file " + path + " can be read by its group");
}

std::vector<Certificate> parse_file(const std::string& path, const std::string& content) {
  try {
    return parse_pem_certificates(content);
  } catch (const Error& error) {
    throw invalid("certificate file " + path + ": " + error.what());
  }
}

PrivateKey parse_key(const std::string& path, const Secret& pem) {
  try {
    return pem.use([](std::string_view text) { return PrivateKey::from_pem(text); });
  } catch (const Error& error) {
    throw invalid("key file " + path + ": " + error.what());
  }
}

}  // namespace

LoadedIdentity load_identity(const std::string& certificate_path, const std::string& key_path, Time now) {
  std::vector<std::string> warnings;
  const std::vector<Certificate> certificates =
      parse_file(certificate_path, read_file(certificate_path, "certificate").content);
  OpenFile key_file = read_file(key_path, "key");
  const Secret key_pem(std::move(key_file.content));
  check_key_mode(key_path, key_file.status, warnings);
  PrivateKey key = parse_key(key_path, key_pem);
  const std::string spki = key.public_key().spki_sha256();
  if (std::ranges::find(certificates, spki, &Certificate::spki_sha256) == certificates.end()) {
    throw invalid("key file " + key_path + " does not belong to a certificate in " + certificate_path);
  }
  Chain chain = sort_chain(spki, certificates);
  if (chain.leaf.not_after() <= now) {
    throw invalid("certificate in " + certificate_path + " has expired (" + format_time(chain.leaf.not_after()) + ")");
  }
  if (chain.leaf.not_before() > now) {
    throw invalid("certificate in " + certificate_path + " is not yet valid (before " +
                  format_time(chain.leaf.not_before()) + ")");
  }
  if (chain.leaf.not_after() <= now + std::chrono::days(30)) {
    warnings.push_back("certificate in " + certificate_path + " expires at " + format_time(chain.leaf.not_after()));
  }
  return {{std::move(key), std::move(chain.leaf), std::move(chain.issuers)}, std::move(warnings)};
}

std::vector<Certificate> load_trust_bundle(const std::string& path, Time now) {
  std::vector<Certificate> certificates = parse_file(path, read_file(path, "certificate").content);
  for (const Certificate& certificate : certificates) {
    if (certificate.not_after() > now) continue;
    throw invalid("certificate file " + path + ": \"" + certificate.subject() + "\" has expired (" +
                  format_time(certificate.not_after()) + ")");
  }
  return certificates;
}

}  // namespace certctl::crypto
