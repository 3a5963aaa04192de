#include "agent/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "agent/messages.hpp"
#include "core/base/random.hpp"
#include "core/base/text.hpp"

namespace certctl::agent {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kTemporaryMark = ".certctl-new.";

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }
  bool open() const { return number_ >= 0; }

 private:
  int number_;
};

void sync_folder(const fs::path& folder) {
  const Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!descriptor.open() || ::fsync(descriptor.number()) != 0) throw FileError("sync", folder, errno);
}

void write_whole(int descriptor, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw FileError("write", path, errno);
    bytes.remove_prefix(std::size_t(written));
  }
}

fs::path temporary_beside(const fs::path& path) {
  Bytes random(6);
  fill_random(random);
  return path.parent_path() / fmt::format("{}{}{}", path.filename().string(), kTemporaryMark, to_hex(random));
}

/// Zeros over the content; best effort: journalling and flash storage keep copies that nobody can reach from here.
void overwrite(const fs::path& path) {
  const Descriptor descriptor(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat status {};
  if (!descriptor.open() || ::fstat(descriptor.number(), &status) != 0 || !S_ISREG(status.st_mode)) return;
  write_whole(descriptor.number(), std::string(std::size_t(status.st_size), '\0'), path);
  ::fsync(descriptor.number());
}

}  // namespace

FileError::FileError(std::string_view what, const fs::path& path, int number)
    : Error(ErrorKind::internal, fmt::format("cannot {} {}: {}", what, path.string(), std::strerror(number))),
      number_(number) {}

void write_durably(const fs::path& path, std::string_view bytes, mode_t mode) {
  const fs::path temporary = temporary_beside(path);
  try {
    const Descriptor descriptor(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
    if (!descriptor.open()) throw FileError("create", temporary, errno);
    write_whole(descriptor.number(), bytes, temporary);
    if (::fsync(descriptor.number()) != 0) throw FileError("sync", temporary, errno);
    if (::rename(temporary.c_str(), path.c_str()) != 0) throw FileError("rename to", path, errno);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  sync_folder(path.parent_path());
}

std::optional<std::string> read_file(const fs::path& path, std::size_t limit) {
  const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!descriptor.open()) {
    if (errno == ENOENT) return std::nullopt;
    throw FileError("open", path, errno);
  }
  struct stat status {};
  if (::fstat(descriptor.number(), &status) != 0) throw FileError("read", path, errno);
  if (!S_ISREG(status.st_mode)) throw FileError("read", path, EINVAL);
  if (std::size_t(status.st_size) > limit) throw FileError("read", path, EFBIG);
  std::string content(std::size_t(status.st_size), '\0');
  std::size_t have = 0;
  while (have < content.size()) {
    const ssize_t got = ::read(descriptor.number(), content.data() + have, content.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw FileError("read", path, errno);
    if (got == 0) break;
    have += std::size_t(got);
  }
  content.resize(have);
  return content;
}

void remove_durably(const fs::path& path) {
  if (::unlink(path.c_str()) != 0) {
    if (errno == ENOENT) return;
    throw FileError("remove", path, errno);
  }
  sync_folder(path.parent_path());
}

void destroy_durably(const fs::path& path) {
  overwrite(path);
  remove_durably(path);
}

void move_durably(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) throw FileError("rename to", to, errno);
  sync_folder(to.parent_path());
  if (from.parent_path() != to.parent_path()) sync_folder(from.parent_path());
}

void set_aside(const fs::path& path, std::string_view why) {
  fs::path aside = path;
  aside += ".corrupt";
  move_durably(path, aside);
  log::write(kFileCorrupt, {{"path", path.string()}, {"moved_to", aside.string()}, {"error", why}});
}

void make_private_folder(const fs::path& path) {
  std::error_code failure;
  if (!fs::exists(path, failure)) {
    if (path.has_parent_path() && !fs::exists(path.parent_path(), failure)) make_private_folder(path.parent_path());
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) throw FileError("create folder", path, errno);
    sync_folder(path.parent_path().empty() ? fs::path(".") : path.parent_path());
  }
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) throw FileError("look at", path, errno);
  if (!S_ISDIR(status.st_mode)) throw FileError("use as a folder", path, ENOTDIR);
  if ((status.st_mode & 07777) != 0700 && ::chmod(path.c_str(), 0700) != 0) throw FileError("chmod 0700", path, errno);
}

void remove_temporaries(const fs::path& folder) {
  std::error_code failure;
  for (const auto& entry : fs::directory_iterator(folder, failure)) {
    if (entry.path().filename().string().find(kTemporaryMark) != std::string::npos) destroy_durably(entry.path());
  }
}

}  // namespace certctl::agent
