#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>

#include "plugins/common/deployment.hpp"
#include "plugins/common/settings.hpp"

namespace certctl::common {
namespace {

DeploymentFailure refused(const std::string& why) {
  return DeploymentFailure(Status::invalid_config, "validate_config", "deploy: plan is invalid: " + why);
}

std::string real_folder(const std::string& path) {
  const std::string folder = folder_of(path);
  const std::unique_ptr<char, void (*)(void*)> real(::realpath(folder.c_str(), nullptr), ::free);
  if (real == nullptr) throw refused(system_fault("parent directory", folder));
  return std::string(real.get()) == "/" ? "" : real.get();
}

/// One step along a chain of symbolic links; empty: `path` is none.
std::string link_target(const std::string& path) {
  char target[PATH_MAX];
  const ssize_t size = ::readlink(path.c_str(), target, sizeof target);
  if (size < 0) return {};
  const std::string text(target, std::size_t(size));
  return text.starts_with('/') ? text : folder_of(path) + "/" + text;
}

void check_folder(const std::string& folder) {
  struct stat status {};
  if (::stat(folder.empty() ? "/" : folder.c_str(), &status) != 0) throw refused(system_fault("stat", folder));
  if ((status.st_mode & S_IWOTH) != 0 && (status.st_mode & S_ISVTX) == 0) {
    throw refused("directory " + folder + " can be written by everybody");
  }
}

}  // namespace

std::string resolve_destination(const std::string& path) {
  constexpr int kMaxLinks = 40;
  if (const std::string fault = path_fault(path); !fault.empty()) throw refused(path + ": " + fault);
  std::string current = path;
  for (int links = 0; links < kMaxLinks; ++links) {
    const std::string folder = real_folder(current);
    current = folder + "/" + name_of(current);
    const std::string next = link_target(current);
    if (!next.empty()) {
      current = next;
      continue;
    }
    check_folder(folder);
    struct stat status {};
    const bool exists = ::lstat(current.c_str(), &status) == 0;
    if (!exists && errno != ENOENT) throw refused(system_fault("stat", current));
    if (exists && !S_ISREG(status.st_mode)) throw refused(current + " is not a regular file");
    return current;
  }
  throw refused(path + ": too many symbolic links");
}

}  // namespace certctl::common
