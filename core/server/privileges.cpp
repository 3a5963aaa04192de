#include "core/server/privileges.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <vector>

namespace certctl::server {

Account choose_account(const std::string& run_as, bool allow_root) {
  Account account;
  if (::geteuid() != 0) return account;
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* found = nullptr;
  ::getpwnam_r(run_as.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) {
    if (allow_root) return account;
    throw std::runtime_error(fmt::format("started as root, and there is no account \"{}\" to become", run_as));
  }
  account.change = found->pw_uid != 0;
  account.name = run_as;
  account.uid = found->pw_uid;
  account.gid = found->pw_gid;
  return account;
}

void harden_process() {
  ::umask(077);
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void become(const Account& account) {
  if (!account.change) return;
  const gid_t groups[] = {account.gid};
  if (::setgroups(1, groups) != 0 || ::setresgid(account.gid, account.gid, account.gid) != 0 ||
      ::setresuid(account.uid, account.uid, account.uid) != 0) {
    throw std::runtime_error(fmt::format("cannot become account \"{}\": {}", account.name, std::strerror(errno)));
  }
  if (::setresuid(0, 0, 0) == 0 || ::geteuid() != account.uid) throw std::runtime_error("privileges could not be given up for good");
  // Changing the user makes the process dumpable again.
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

void own_folder(const std::string& path, mode_t mode, const Account& account) {
  namespace fs = std::filesystem;
  const bool fresh = !fs::exists(path);
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw std::runtime_error(fmt::format("{} cannot be made: {}", path, error.message()));
  if (fresh && ::chmod(path.c_str(), mode) != 0) throw std::runtime_error(fmt::format("{}: {}", path, std::strerror(errno)));
  if (account.change && fresh && ::chown(path.c_str(), account.uid, account.gid) != 0) {
    throw std::runtime_error(fmt::format("{} cannot be given to {}: {}", path, account.name, std::strerror(errno)));
  }
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) throw std::runtime_error(fmt::format("{}: {}", path, std::strerror(errno)));
  const uid_t wanted = account.change ? account.uid : ::geteuid();
  if (!S_ISDIR(status.st_mode)) throw std::runtime_error(fmt::format("{} is not a folder", path));
  if (status.st_uid != wanted) throw std::runtime_error(fmt::format("{} belongs to uid {}, not to uid {}; chown it", path, status.st_uid, wanted));
  if ((status.st_mode & 022) != 0) throw std::runtime_error(fmt::format("{} is writable by others (mode {:04o}); chmod go-w it", path, status.st_mode & 07777));
}

}  // namespace certctl::server
