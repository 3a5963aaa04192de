#include "core/plugin_services/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/plugin_services/descriptor.hpp"

namespace certctl::plugin {

namespace {

using SteadyTime = std::chrono::steady_clock::time_point;
constexpr auto kTermToKill = std::chrono::seconds(5);
constexpr int kStatusDescriptor = 3;  // where certctl-exec says how far it came

struct Pipe {
  Descriptor reader, writer;
  static Pipe make() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw internal(fmt::format("pipe failed: {}", std::strerror(errno)));
    return {Descriptor(ends[0]), Descriptor(ends[1])};
  }
};

/// posix_spawn's two parameter objects.
struct SpawnPlan {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  SpawnPlan() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
  }
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (std::string& text : texts) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

std::vector<std::string> helper_arguments(const ProcessOptions& options) {
  std::vector<std::string> arguments = {options.helper};
  for (const auto& [staged, destination] : options.binds) {
    arguments.insert(arguments.end(), {"--bind", staged, destination});
  }
  arguments.insert(arguments.end(), {"--", find_program(options.arguments.front(), options.path)});
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  return arguments;
}

/// A started child; killed with its group and reaped unless it has been waited for.
class Child {
 public:
  Child(const ProcessOptions& options, int output, int status);
  ~Child() {
    if (reaped_) return;
    kill(SIGKILL);
    wait();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Becomes readable when the child has ended.
  int descriptor() const { return pidfd_.get(); }
  void kill(int signal) const { ::kill(-pid_, signal); }
  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    reaped_ = true;
    return status;
  }

 private:
  pid_t pid_ = -1;
  Descriptor pidfd_;
  bool reaped_ = false;
};

Child::Child(const ProcessOptions& options, int output, int status) {
  std::vector<std::string> arguments = helper_arguments(options);
  std::vector<std::string> environment;
  for (const auto& [name, value] : options.environment) environment.push_back(name + "=" + value);

  SpawnPlan plan;
  ::posix_spawn_file_actions_addopen(&plan.actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&plan.actions, output, 1);
  ::posix_spawn_file_actions_adddup2(&plan.actions, output, 2);
  ::posix_spawn_file_actions_adddup2(&plan.actions, status, kStatusDescriptor);
  ::posix_spawn_file_actions_addclosefrom_np(&plan.actions, kStatusDescriptor + 1);
  ::posix_spawn_file_actions_addchdir_np(&plan.actions, options.directory.empty() ? "/" : options.directory.c_str());
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&plan.attributes, &none);
  ::posix_spawnattr_setsigdefault(&plan.attributes, &all);
  ::posix_spawnattr_setpgroup(&plan.attributes, 0);
  ::posix_spawnattr_setflags(&plan.attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  const int failure = ::posix_spawn(&pid_, options.helper.c_str(), &plan.actions, &plan.attributes,
                                    pointers(arguments).data(), pointers(environment).data());
  if (failure != 0) {
    reaped_ = true;
    throw internal(fmt::format("{} cannot be started: {}", options.helper, std::strerror(failure)));
  }
  pidfd_ = Descriptor(int(::syscall(SYS_pidfd_open, pid_, 0)));
}

/// false: the other end is closed.
bool read_some(int descriptor, std::string& out) {
  char buffer[4096];
  const ssize_t size = ::read(descriptor, buffer, sizeof buffer);
  if (size > 0) out.append(buffer, std::size_t(size));
  return size > 0 || (size < 0 && (errno == EINTR || errno == EAGAIN));
}

int milliseconds_until(SteadyTime time) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(time - std::chrono::steady_clock::now()).count();
  return int(std::clamp<std::int64_t>(left, 0, 3'600'000));
}

/// Follows a child until it has ended: keeps its output, stops it when its time is up.
class Supervision {
 public:
  Supervision(Child& child, int output, Cancellation& cancellation, SteadyTime deadline, ProcessResult& result)
      : child_(child), output_(output), cancellation_(cancellation), deadline_(deadline), result_(result) {}

  void run() {
    ::fcntl(output_, F_SETFL, O_NONBLOCK);
    while (!ended_) step();
    drain();  // what it wrote before its end; a daemon it left behind may keep the pipe open
    result_.output = kept_.text();
  }

 private:
  void step() {
    pollfd waiting[] = {{child_.descriptor(), POLLIN, 0},
                        {output_open_ ? output_ : -1, POLLIN, 0},
                        {stopping() ? -1 : cancellation_.descriptor(), POLLIN, 0}};
    const int ready = ::poll(waiting, 3, milliseconds_until(stopping() ? kill_at_ : deadline_));
    if (ready < 0 && errno != EINTR) throw internal(fmt::format("poll failed: {}", std::strerror(errno)));
    if (waiting[1].revents != 0) drain();
    if (waiting[0].revents != 0) return end();
    if (waiting[2].revents != 0 && !stopping()) {
      // Our own deadline makes a call's cancellation readable, too.
      (std::chrono::steady_clock::now() >= deadline_ ? result_.timed_out : result_.cancelled) = true;
      stop();
    }
    if (ready == 0) time_is_up();
  }
  void time_is_up() {
    if (stopping()) {
      child_.kill(SIGKILL);
      kill_at_ = std::chrono::steady_clock::now() + kTermToKill;
    } else {
      result_.timed_out = true;
      stop();
    }
  }
  bool stopping() const { return kill_at_ != SteadyTime{}; }
  void stop() {
    child_.kill(SIGTERM);
    kill_at_ = std::chrono::steady_clock::now() + kTermToKill;
  }
  void drain() {
    char buffer[4096];
    for (;;) {
      const ssize_t size = ::read(output_, buffer, sizeof buffer);
      if (size < 0 && errno == EINTR) continue;
      if (size == 0) output_open_ = false;
      if (size <= 0) return;
      kept_.add({buffer, std::size_t(size)});
    }
  }
  void end() {
    ended_ = true;
    if (stopping()) child_.kill(SIGKILL);  // the rest of its group
    const int status = child_.wait();
    if (WIFEXITED(status))
      result_.exit_status = WEXITSTATUS(status);
    else
      result_.signal = WTERMSIG(status);
  }

  Child& child_;
  int output_;
  Cancellation& cancellation_;
  SteadyTime deadline_;
  ProcessResult& result_;
  OutputKeeper kept_;
  SteadyTime kill_at_{};
  bool output_open_ = true;
  bool ended_ = false;
};

}  // namespace

std::string find_program(const std::string& name, const std::string& path) {
  if (name.find('/') != name.npos) return name;
  for (std::string_view folder : split(path, ':')) {
    const std::string candidate = fmt::format("{}/{}", folder, name);
    if (!name.empty() && ::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  throw invalid(fmt::format("program \"{}\" was not found in {}", name, path));
}

ProcessResult run_process(const ProcessOptions& options, Cancellation& cancellation) {
  if (options.arguments.empty()) throw invalid("there is no program to run");
  Pipe output = Pipe::make();
  Pipe status = Pipe::make();
  Child child(options, output.writer.get(), status.writer.get());
  output.writer = {};
  status.writer = {};

  // certctl-exec closes its end when the program takes over, so this ends before the program does anything.
  std::string report;
  while (read_some(status.reader.get(), report)) {
  }
  ProcessResult result;
  result.isolated = report.starts_with("isolated");
  if (report.starts_with("refused ")) {
    child.wait();
    result.isolation_refused = report.substr(8);
    return result;
  }
  if (const auto failed = report.find("failed "); failed != report.npos) {
    child.wait();
    throw invalid(report.substr(failed + 7));
  }
  Supervision(child, output.reader.get(), cancellation, options.deadline, result).run();
  return result;
}

}  // namespace certctl::plugin
