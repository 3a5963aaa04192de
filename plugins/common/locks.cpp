#include "plugins/common/locks.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>

#include <certctl/status.hpp>

#include "plugins/common/openssl.hpp"

namespace certctl::common {

Locks::Locks(const std::string& state_dir, std::vector<std::string> names,
             const std::function<bool(std::chrono::milliseconds)>& wait) {
  constexpr std::chrono::milliseconds kPause{20};
  const std::string folder = state_dir + "/locks";
  FileAccess::make_folders(folder);
  std::ranges::sort(names);
  for (const std::string& name : names) {
    const std::string path = folder + "/" + sha256_hex(name);
    Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file.valid()) throw permanent(system_fault("open", path));
    while (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EINTR) continue;
      if (errno != EWOULDBLOCK) throw permanent(system_fault("flock", path));
      if (!wait(kPause)) throw Error(Status::conflict, "another deployment holds the lock of " + name);
    }
    held_.push_back(std::move(file));
  }
}

}  // namespace certctl::common
