#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/db/private_server.hpp"
#include "core/db/process.hpp"

namespace certctl::db {

/// Where the private PostgreSQL lives, and the files in there that are ours.
struct ClusterFolder {
  Account account;                 ///< runs PostgreSQL
  std::filesystem::path programs;  ///< `…/bin`
  std::filesystem::path data;      ///< `<data_dir>/pg/<major>`
  std::filesystem::path socket;    ///< `<runtime_dir>/pg`

  /// Finds or makes all of it: account, programs, folders, initdb. Throws Error(invalid) with the remedy.
  static ClusterFolder prepare(const PrivateServerOptions& options);

  /// Writes the settings and the map of accounts; at each start.
  void write_settings(const PrivateServerOptions& options) const;
};

/// What `postmaster.pid` says of a server that runs, or ran, on a data folder.
struct PostmasterFile {
  int process = 0;
  std::filesystem::path data;
};
std::optional<PostmasterFile> read_postmaster_file(const std::filesystem::path& data);

/// Processes whose working folder is `data`: the postmaster and its children, also orphaned ones.
std::vector<int> processes_of(const std::filesystem::path& data);

}  // namespace certctl::db
