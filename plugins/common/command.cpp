#include "plugins/common/command.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "plugins/common/file_access.hpp"

namespace certctl::common {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

constexpr std::size_t kMaxCommand = 1024;

struct Metacharacter {
  char character;
  const char* name;
};
/// In upstream's order: the first of the list that occurs is named.
constexpr Metacharacter kMetacharacters[] = {
    {';', ";"}, {'|', "|"}, {'&', "&"}, {'$', "$"}, {'`', "`"}, {'(', "("},   {')', ")"},   {'{', "{"},   {'}', "}"},
    {'<', "<"}, {'>', ">"}, {'\\', "\\"}, {'"', "\""}, {'\'', "'"}, {'\n', "\\n"}, {'\r', "\\r"}, {'\0', "\\0"}};

bool is_assignment(std::string_view word) {
  const auto equals = word.find('=');
  if (equals == std::string_view::npos || equals == 0 || (word[0] >= '0' && word[0] <= '9')) return false;
  return word.substr(0, equals).find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") ==
         std::string_view::npos;
}

std::string without_private_keys(std::string_view output) {
  constexpr std::string_view kBegin = "-----BEGIN ";
  std::string kept;
  while (!output.empty()) {
    const auto begin = output.find(kBegin);
    kept += output.substr(0, begin);
    if (begin == std::string_view::npos) break;
    output.remove_prefix(begin);
    const auto line = output.substr(0, output.find('\n'));
    const bool secret = line.find("PRIVATE KEY") != std::string_view::npos;
    const auto end = secret ? output.find("-----END ") : std::string_view::npos;
    kept += secret ? "[private key removed]" : kBegin;
    if (!secret) {
      output.remove_prefix(kBegin.size());
    } else if (end == std::string_view::npos) {
      break;
    } else {
      const auto line_end = output.find('\n', end);
      output.remove_prefix(line_end == std::string_view::npos ? output.size() : line_end);
    }
  }
  return kept;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (std::string& text : texts) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

class SpawnActions {
 public:
  SpawnActions() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
  }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  ~SpawnActions() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  void prepare(int output) {
    ::posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions_, output, 1);
    ::posix_spawn_file_actions_adddup2(&actions_, output, 2);
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, 3);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

struct Child {
  pid_t pid;
  Descriptor output;
};

Child start(const CommandRequest& request, const std::string& program) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw Error(Status::internal, system_fault("pipe", "for a command"));
  Descriptor read_end(ends[0]);
  const Descriptor write_end(ends[1]);

  std::vector<std::string> arguments = request.command.arguments;
  const char* home = ::getenv("HOME");
  std::vector<std::string> environment = {"PATH=" + std::string(kCommandPath), "LANG=C.UTF-8",
                                          "HOME=" + std::string(home != nullptr ? home : "/")};
  for (const Pairs* pairs : {&request.command.environment, &request.environment}) {
    for (const auto& [name, value] : *pairs) environment.push_back(name + "=" + value);
  }
  SpawnActions spawn;
  spawn.prepare(write_end.get());
  auto argument_list = pointers(arguments);
  auto environment_list = pointers(environment);
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, program.c_str(), spawn.actions(), spawn.attributes(), argument_list.data(),
                                  environment_list.data());
  if (error != 0) throw Error(Status::permanent, program + " could not be started: " + std::strerror(error));
  return {pid, std::move(read_end)};
}

int milliseconds_until(SteadyTime time) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(time - std::chrono::steady_clock::now());
  return int(std::max<std::int64_t>(0, left.count()));
}

/// Reads until the child closes its output or `deadline` passes; keeps at most `limit` bytes. False: time is up.
bool read_output(int descriptor, std::string& output, std::size_t limit, SteadyTime deadline) {
  while (true) {
    pollfd waiting{descriptor, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, milliseconds_until(deadline));
    if (ready == 0) return false;
    if (ready < 0) continue;
    char chunk[4096];
    const ssize_t size = ::read(descriptor, chunk, sizeof chunk);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return true;
    output.append(chunk, std::min(std::size_t(size), limit - std::min(limit, output.size())));
  }
}

bool wait_for(pid_t pid, int& status, SteadyTime deadline) {
  while (::waitpid(pid, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    ::poll(nullptr, 0, 5);
  }
  return true;
}

}  // namespace

std::string Command::text() const {
  std::string text;
  for (const std::string& argument : arguments) text += (text.empty() ? "" : " ") + argument;
  return text;
}

std::string command_fault(std::string_view command) {
  if (command.find_first_not_of(" \t") == std::string_view::npos) return "command cannot be empty";
  if (command.size() > kMaxCommand) return "command exceeds maximum length (1024 characters)";
  for (const Metacharacter& meta : kMetacharacters) {
    if (command.find(meta.character) != std::string_view::npos) {
      return std::string("command contains shell metacharacter \"") + meta.name + "\" (potential injection)";
    }
  }
  return {};
}

bool has_glob(std::string_view command) { return command.find_first_of("*?[~") != std::string_view::npos; }

Command parse_command(std::string_view setting, std::string_view text) {
  if (const std::string fault = command_fault(text); !fault.empty()) {
    throw invalid_config("invalid " + std::string(setting) + ": " + fault, "/" + std::string(setting));
  }
  Command command;
  while (true) {
    const auto begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) break;
    const auto end = text.find_first_of(" \t", begin);
    std::string word(text.substr(begin, end == std::string_view::npos ? end : end - begin));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end);
    if (command.arguments.empty() && is_assignment(word)) {
      const auto equals = word.find('=');
      command.environment.emplace_back(word.substr(0, equals), word.substr(equals + 1));
    } else {
      command.arguments.push_back(std::move(word));
    }
  }
  if (command.arguments.empty()) {
    throw invalid_config("invalid " + std::string(setting) + ": command cannot be empty", "/" + std::string(setting));
  }
  return command;
}

std::string find_program(std::string_view name) {
  const auto runnable = [](const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && ::access(path.c_str(), X_OK) == 0;
  };
  if (name.find('/') != std::string_view::npos) {
    const std::string path(name);
    return path.starts_with('/') && runnable(path) ? path : std::string();
  }
  std::string_view rest = kCommandPath;
  while (!rest.empty()) {
    const auto colon = rest.find(':');
    const std::string path = std::string(rest.substr(0, colon)) + "/" + std::string(name);
    if (runnable(path)) return path;
    rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
  }
  return {};
}

ProcessResult HostRunner::run(const CommandRequest& request) {
  Process process = call_.process(request.command.arguments);
  for (const Pairs* pairs : {&request.command.environment, &request.environment}) {
    for (const auto& [name, value] : *pairs) process.env(name, value);
  }
  for (const auto& [staged, destination] : request.binds) process.bind(staged, destination);
  return process.timeout(request.timeout).run();
}

ProcessResult LocalRunner::run(const CommandRequest& request) {
  ProcessResult result;
  if (!request.binds.empty()) {
    result.isolation_refused = true;
    return result;
  }
  const std::string& name = request.command.arguments.front();
  const std::string program = find_program(name);
  if (program.empty()) throw Error(Status::permanent, name + ": program not found");
  const Child child = start(request, program);
  const auto deadline = std::chrono::steady_clock::now() + request.timeout;

  int status = 0;
  const bool in_time =
      read_output(child.output.get(), result.output, output_limit_, deadline) && wait_for(child.pid, status, deadline);
  if (!in_time) {
    result.timed_out = true;
    ::kill(-child.pid, SIGTERM);
    if (!wait_for(child.pid, status, std::chrono::steady_clock::now() + std::chrono::seconds(5))) {
      ::kill(-child.pid, SIGKILL);
      ::waitpid(child.pid, &status, 0);
    }
  }
  result.exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  result.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  return result;
}

std::string presentable_output(std::string_view output, std::size_t limit) {
  const std::string text = without_private_keys(output);
  std::string shown;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == '\n' || byte == '\t') {
      shown.push_back(' ');
    } else if (byte < 0x20 || byte >= 0x7f) {
      char escaped[5];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
      shown += escaped;
    } else {
      shown.push_back(c);
    }
  }
  while (shown.ends_with(' ')) shown.pop_back();
  if (shown.size() <= limit) return shown;
  return shown.substr(0, limit / 2) + " … " + shown.substr(shown.size() - limit / 2);
}

std::string failure_text(std::string_view stem, const ProcessResult& result, std::chrono::milliseconds timeout) {
  constexpr std::size_t kShownOutput = 640;  // an error text holds 1 KiB
  const std::string reason = result.timed_out
                                 ? "timed out after " + std::to_string(timeout.count() / 1000) + "s"
                                 : result.reason();
  return std::string(stem) + ": " + reason + " (output: " + presentable_output(result.output, kShownOutput) + ")";
}

}  // namespace certctl::common
