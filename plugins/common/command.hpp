#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <certctl/process.hpp>

/// The commands of a target's settings (targets.md §2.4): words, never a shell.
namespace certctl::common {

struct Command {
  std::vector<std::string> arguments;
  Pairs environment;  ///< from leading NAME=value words

  std::string text() const;
};

/// Upstream's rule and texts: `command contains shell metacharacter ";" (potential injection)`,
/// `command cannot be empty`, `command exceeds maximum length (1024 characters)`; empty: the command is acceptable.
std::string command_fault(std::string_view command);
/// Whether it holds characters that a shell would have expanded and that are now taken literally.
bool has_glob(std::string_view command);
/// Throws Error(invalid_config) with command_fault() and the setting's name.
Command parse_command(std::string_view setting, std::string_view text);

inline constexpr std::string_view kCommandPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The absolute path of a program as commands find it; empty: there is none.
std::string find_program(std::string_view name);

struct CommandRequest {
  Command command;
  Pairs environment;  ///< besides PATH, LANG, HOME
  std::chrono::milliseconds timeout{30'000};
  /// Staged file, its destination: seen there by this command only.
  std::vector<std::pair<std::string, std::string>> binds;
};

/// Runs a program: argv only, cleared environment, own process group, stdin /dev/null, deadline. Throws Error when it
/// could not be started; everything else is a result.
class CommandRunner {
 public:
  virtual ~CommandRunner() = default;
  virtual ProcessResult run(const CommandRequest& request) = 0;
};

/// Through the host's service `process`, which can also bind files.
class HostRunner final : public CommandRunner {
 public:
  explicit HostRunner(const Call& call) : call_(call) {}
  ProcessResult run(const CommandRequest& request) override;

 private:
  const Call& call_;
};

/// In this process, by posix_spawn. Binds are refused. For what must run although the call's time is up (a rollback),
/// and where more output is wanted than the service keeps.
class LocalRunner final : public CommandRunner {
 public:
  explicit LocalRunner(std::size_t output_limit = 16 * 1024) : output_limit_(output_limit) {}
  ProcessResult run(const CommandRequest& request) override;

 private:
  std::size_t output_limit_;
};

/// `nginx -t failed: exit status 1 (output: …)`, at most about 800 bytes of output.
std::string failure_text(std::string_view stem, const ProcessResult& result, std::chrono::milliseconds timeout);
/// Private keys cut out, control characters made visible, first and last part of what is longer than `limit`.
std::string presentable_output(std::string_view output, std::size_t limit);

}  // namespace certctl::common
