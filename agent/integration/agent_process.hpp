#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace certctl::agent::test {

/// A program of the build, as a child that never outlives the object.
class Process {
 public:
  /// Standard output and error go to `log`, appended. The environment is PATH and `environment`, nothing else.
  Process(const std::string& program, std::vector<std::string> arguments,
          std::map<std::string, std::string> environment, std::filesystem::path log);
  ~Process();
  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;
  Process(const Process&) = delete;

  void send(int signal) const;
  /// The exit status, 128 + signal when killed; nullopt: still running at the end of the limit.
  std::optional<int> wait(std::chrono::milliseconds limit = std::chrono::seconds(60));
  bool running() { return !wait(std::chrono::milliseconds(0)).has_value(); }
  pid_t id() const { return id_; }
  std::string log() const;

 private:
  pid_t id_ = -1;
  std::optional<int> status_;
  std::filesystem::path log_;
};

/// Path of a built program.
std::string built_program(const std::string& name);
/// The folder that holds `targets/nginx.so`.
std::string built_plugins();

}  // namespace certctl::agent::test
