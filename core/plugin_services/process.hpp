#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "core/plugin/call.hpp"

namespace certctl::plugin {

struct ProcessOptions {
  std::vector<std::string> arguments;  ///< the first is a path, or a name to look up in `path`
  std::vector<std::pair<std::string, std::string>> environment;  ///< all of it; nothing is inherited
  std::string directory;               ///< empty: /
  std::string path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  std::vector<std::pair<std::string, std::string>> binds;  ///< staged file, destination (targets.md §3.4)
  std::chrono::steady_clock::time_point deadline;
  std::string helper;                  ///< `certctl-exec`
};

struct ProcessResult {
  int exit_status = -1;    ///< -1: ended by `signal`
  int signal = 0;
  bool timed_out = false;  ///< SIGTERM at the deadline, SIGKILL 5 s later
  bool cancelled = false;
  bool isolated = false;   ///< the binds were in place
  std::string isolation_refused;  ///< why the kernel gives no private mount namespace; the program did not run
  std::string output;      ///< stdout and stderr together; see trim_output()
};

/// Runs a program to its end, without a shell: cleared environment, own process group, umask 077, stdin /dev/null, no
/// inherited descriptors. Throws Error: invalid (no such program, nothing to run), internal (cannot start).
ProcessResult run_process(const ProcessOptions& options, Cancellation& cancellation);

/// The absolute path of a program. Throws Error(invalid) `program "x" was not found in <path>`.
std::string find_program(const std::string& name, const std::string& path);

/// Collects output of any length: keeps the first and the last 8 KiB.
class OutputKeeper {
 public:
  void add(std::string_view bytes);
  /// With `PRIVATE KEY` blocks replaced by a note, also such as were cut.
  std::string text() const;

 private:
  std::string head_, tail_;
  std::size_t dropped_ = 0;
};

}  // namespace certctl::plugin
