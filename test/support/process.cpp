#include "test/support/process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <utility>

namespace certctl::test {
namespace {

std::string required(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr || value[0] == '\0') throw std::runtime_error(std::string(variable) + " is not set; run the test through ctest");
  return value;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (auto& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

}  // namespace

std::string built_program(const std::string& name) { return required("CERTCTL_TEST_BIN_DIR") + "/" + name; }
std::string built_plugins() { return required("CERTCTL_TEST_PLUGIN_DIR"); }

Process::Process(const std::string& program, std::vector<std::string> arguments, std::map<std::string, std::string> environment, std::filesystem::path log)
    : log_(std::move(log)) {
  arguments.insert(arguments.begin(), program);
  std::vector<std::string> variables = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
  for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
  // Sanitizers are told how to behave by the environment of the test.
  for (const char* name : {"ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"}) {
    if (const char* value = std::getenv(name)) variables.push_back(std::string(name) + "=" + value);
  }
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 1, log_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::posix_spawn_file_actions_adddup2(&actions, 1, 2);
  // A group of its own, so that what the program started goes with it.
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  auto argv = pointers(arguments), envp = pointers(variables);
  const int failure = ::posix_spawn(&id_, program.c_str(), &actions, &attributes, argv.data(), envp.data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) throw std::runtime_error("cannot start " + program);
}

Process::Process(Process&& other) noexcept : id_(std::exchange(other.id_, -1)), status_(other.status_), log_(std::move(other.log_)) {}

Process::~Process() {
  if (id_ < 0) return;
  ::kill(-id_, SIGKILL);
  if (!status_) ::waitpid(id_, nullptr, 0);
}

void Process::send(int signal) const {
  if (id_ > 0 && !status_) ::kill(id_, signal);
}

std::optional<int> Process::wait(std::chrono::milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  while (!status_) {
    int status = 0;
    if (::waitpid(id_, &status, WNOHANG) == id_) {
      status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      break;
    }
    if (std::chrono::steady_clock::now() >= until) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return status_;
}

std::string Process::log() const {
  std::ifstream in(log_);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace certctl::test
