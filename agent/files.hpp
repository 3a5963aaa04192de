#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/error.hpp"

/// Files that are whole or not there at all, whatever moment the power goes.
namespace certctl::agent {

/// The system refused a file operation. `number()` is errno.
class FileError : public Error {
 public:
  FileError(std::string_view what, const std::filesystem::path& path, int number);
  int number() const { return number_; }

 private:
  int number_;
};

/// Temporary file in the same folder, `mode` from its creation, fsync, rename, fsync of the folder.
/// Throws FileError; the old content is then still there.
void write_durably(const std::filesystem::path& path, std::string_view bytes, mode_t mode = 0600);

/// nullopt: no such file. Throws FileError: anything else, or larger than `limit`.
std::optional<std::string> read_file(const std::filesystem::path& path, std::size_t limit = 16 * 1024 * 1024);

/// Unlinks if it is there, then fsyncs the folder.
void remove_durably(const std::filesystem::path& path);
/// Overwrites, unlinks, fsyncs the folder: for keys.
void destroy_durably(const std::filesystem::path& path);
/// Renames within one file system, fsyncs both folders.
void move_durably(const std::filesystem::path& from, const std::filesystem::path& to);

/// Moves an unreadable file to `<path>.corrupt` and logs why, so that the rest can continue.
void set_aside(const std::filesystem::path& path, std::string_view why);

/// Makes the folder and its parents, mode 0700, and tightens one that exists. Throws FileError.
void make_private_folder(const std::filesystem::path& path);

/// Removes what an interrupted write_durably() left in the folder.
void remove_temporaries(const std::filesystem::path& folder);

}  // namespace certctl::agent
