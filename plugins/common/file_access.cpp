#include "plugins/common/file_access.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <certctl/status.hpp>

#include "plugins/common/openssl.hpp"

namespace certctl::common {
namespace {

constexpr const char* kAttributeNames[] = {"system.posix_acl_access", "security.selinux"};

Error fault(std::string_view what, std::string_view path) { return permanent(system_fault(what, path)); }

Attributes attributes_of(int descriptor) {
  Attributes attributes;
  for (const char* name : kAttributeNames) {
    char value[4096];
    const ssize_t size = ::fgetxattr(descriptor, name, value, sizeof value);
    if (size > 0) attributes.emplace_back(name, std::string(value, std::size_t(size)));
  }
  return attributes;
}

SecretText read_all(int descriptor, const std::string& path, std::size_t size) {
  std::string bytes(size, '\0');
  std::size_t have = 0;
  while (have < size) {
    const ssize_t got = ::read(descriptor, bytes.data() + have, size - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw fault("read", path);
    if (got == 0) break;
    have += std::size_t(got);
  }
  bytes.resize(have);
  return SecretText(std::move(bytes));
}

}  // namespace

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

std::string system_fault(std::string_view what, std::string_view path) {
  const int code = errno;
  return std::string(what) + " " + std::string(path) + ": " + std::generic_category().message(code);
}

std::string folder_of(const std::string& path) { return std::filesystem::path(path).parent_path().string(); }
std::string name_of(const std::string& path) { return std::filesystem::path(path).filename().string(); }

void FileAccess::step(std::string_view name, const std::string& path) const {
  if (!hook_) return;
  try {
    hook_(name, path);
  } catch (const std::system_error& error) {
    throw permanent(std::string(name) + " " + path + ": " + error.code().message());
  }
}

Snapshot FileAccess::snapshot(const std::string& path) const {
  Snapshot result;
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.valid() && errno == ENOENT) return result;
  struct stat status {};
  if (!file.valid() || ::fstat(file.get(), &status) != 0) throw fault("open", path);
  if (!S_ISREG(status.st_mode)) throw permanent(path + " is not a regular file");
  if (std::size_t(status.st_size) > kMaxFileBytes) throw permanent(path + " is larger than 1 MiB");
  result.existed = true;
  result.bytes = read_all(file.get(), path, std::size_t(status.st_size));
  result.sha256 = sha256_hex(result.bytes.view());
  result.mode = status.st_mode & 07777;
  result.user = status.st_uid;
  result.group = status.st_gid;
  result.attributes = attributes_of(file.get());
  return result;
}

void FileAccess::write_all(int descriptor, const std::string& path, std::string_view bytes) const {
  step("write", path);
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) throw fault("write", path);
    bytes.remove_prefix(std::size_t(written));
  }
}

bool FileAccess::apply(int descriptor, const std::string& path, const Ownership& ownership) const {
  bool applied = true;
  if (ownership.user || ownership.group) {
    step("chown", path);
    const uid_t user = ownership.user.value_or(uid_t(-1));
    const gid_t group = ownership.group.value_or(gid_t(-1));
    if (::fchown(descriptor, user, group) != 0) {
      if (::geteuid() == 0 || ownership.required) throw fault("chown", path);
      applied = false;
    }
  }
  for (const auto& [name, value] : ownership.attributes) {
    const bool set = ::fsetxattr(descriptor, name.c_str(), value.data(), value.size(), 0) == 0;
    if (!set && errno != ENOTSUP && errno != EPERM) throw fault("setxattr", path);
  }
  step("chmod", path);
  if (::fchmod(descriptor, ownership.mode) != 0) throw fault("chmod", path);
  return applied;
}

bool FileAccess::create(const std::string& path, std::string_view bytes, const Ownership& ownership) const {
  step("create", path);
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.valid()) throw fault("create", path);
  try {
    write_all(file.get(), path, bytes);
    const bool applied = apply(file.get(), path, ownership);
    step("fsync", path);
    if (::fsync(file.get()) != 0) throw fault("fsync", path);
    return applied;
  } catch (const Error&) {
    ::unlink(path.c_str());
    throw;
  }
}

void FileAccess::rename(const std::string& from, const std::string& to) const {
  step("rename", to);
  if (::rename(from.c_str(), to.c_str()) != 0) throw fault("rename", to);
}

void FileAccess::remove(const std::string& path) const {
  step("unlink", path);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) throw fault("unlink", path);
}

void FileAccess::sync_folder(const std::string& folder) const {
  step("fsync-folder", folder);
  const Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!descriptor.valid() || ::fsync(descriptor.get()) != 0) throw fault("fsync", folder);
}

void FileAccess::make_folders(const std::string& folder) {
  if (folder.empty() || folder == "/") return;
  if (::mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST) return;
  if (errno != ENOENT) throw fault("mkdir", folder);
  make_folders(folder_of(folder));
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) throw fault("mkdir", folder);
}

}  // namespace certctl::common
