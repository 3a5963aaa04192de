#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace certctl::db {

/// An operating-system account.
struct Account {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
};
std::optional<Account> find_account(std::string_view name);
std::optional<Account> find_account(uid_t uid);
/// The one that this process runs as.
Account own_account();

/// A program to start: no shell, environment cleared but for PATH, LANG, TZ and `environment`, stdin from /dev/null, no
/// other descriptor inherited, signals at their defaults.
struct Command {
  std::vector<std::string> arguments;  ///< [0]: absolute path
  std::vector<std::string> environment = {};
  std::filesystem::path folder = "/";
  /// Another account to run as; needs root. Goes through setpriv(1), so that no code of ours runs in a forked child.
  std::optional<Account> account = {};
  int output = -1;         ///< descriptor for stdout and stderr; -1: /dev/null
  bool own_group = false;  ///< a process group of its own
  /// Sent to it when the *thread* that calls spawn() ends; 0: none.
  int death_signal = 0;
};

/// Throws Error(internal).
pid_t spawn(const Command& command);

struct Finished {
  int status = 0;  ///< exit code; 128 + signal
  std::string output;
};
/// Runs to the end and collects the output (`command.output` is ignored).
Finished run_to_end(Command command);

}  // namespace certctl::db
