#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugins/common/secret_text.hpp"

/// The file steps of a deployment. Each can fail or be the last that the process does: tests say where.
namespace certctl::common {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor();
  int get() const { return number_; }
  bool valid() const { return number_ >= 0; }

 private:
  int number_ = -1;
};

/// `open /etc/x: Permission denied`, from errno.
std::string system_fault(std::string_view what, std::string_view path);

/// POSIX ACL and SELinux label, as the kernel stores them.
using Attributes = std::vector<std::pair<std::string, std::string>>;

struct Ownership {
  mode_t mode = 0644;
  std::optional<uid_t> user = {};
  std::optional<gid_t> group = {};
  /// A refused chown is an error; false: it was only the connector's default.
  bool required = true;
  Attributes attributes = {};
};

/// What stood at a path.
struct Snapshot {
  bool existed = false;
  SecretText bytes;
  std::string sha256;  ///< hex; empty: nothing stood there
  mode_t mode = 0;
  uid_t user = 0;
  gid_t group = 0;
  Attributes attributes;

  Ownership ownership() const { return {mode, user, group, true, attributes}; }
};

/// The most that a certificate or key file may hold.
inline constexpr std::size_t kMaxFileBytes = 1024 * 1024;

class FileAccess {
 public:
  /// Called before each step that changes something (`create`, `write`, `chown`, `chmod`, `fsync`, `rename`, `unlink`,
  /// `fsync-folder`). It may throw std::system_error, or end the process.
  using StepHook = std::function<void(std::string_view step, const std::string& path)>;

  explicit FileAccess(StepHook hook = {}) : hook_(std::move(hook)) {}

  /// A regular file of at most kMaxFileBytes, not followed if it is a link. Throws Error(permanent).
  Snapshot snapshot(const std::string& path) const;
  /// Creates `path` (it must not exist), owner and mode included, and makes it durable. Answers false when a default
  /// owner could not be set. What it created is removed again on failure. Throws Error(permanent).
  bool create(const std::string& path, std::string_view bytes, const Ownership& ownership) const;
  void rename(const std::string& from, const std::string& to) const;
  /// A path that does not exist is fine.
  void remove(const std::string& path) const;
  void sync_folder(const std::string& folder) const;
  /// Makes missing folders, 0700.
  static void make_folders(const std::string& folder);

 private:
  void step(std::string_view name, const std::string& path) const;
  bool apply(int descriptor, const std::string& path, const Ownership& ownership) const;
  void write_all(int descriptor, const std::string& path, std::string_view bytes) const;
  StepHook hook_;
};

std::string folder_of(const std::string& path);
std::string name_of(const std::string& path);

}  // namespace certctl::common
