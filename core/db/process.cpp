#include "core/db/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "core/base/error.hpp"

namespace certctl::db {
namespace {

std::optional<Account> account_of(const passwd* entry) {
  if (entry == nullptr) return std::nullopt;
  return Account{entry->pw_name, entry->pw_uid, entry->pw_gid};
}

/// Owns the two C structures of posix_spawn.
class SpawnPlan {
 public:
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

std::vector<std::string> with_privileges(const Command& command) {
  std::vector<std::string> prefix;
  if (command.account && command.account->uid != ::geteuid()) {
    prefix = {fmt::format("--reuid={}", command.account->uid), fmt::format("--regid={}", command.account->gid),
              "--clear-groups"};
  }
  if (command.death_signal != 0) prefix.push_back(fmt::format("--pdeathsig={}", ::sigabbrev_np(command.death_signal)));
  if (prefix.empty()) return command.arguments;
  prefix.insert(prefix.begin(), "/usr/bin/setpriv");
  prefix.insert(prefix.end(), command.arguments.begin(), command.arguments.end());
  return prefix;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

}  // namespace

std::optional<Account> find_account(std::string_view name) {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 16384> buffer;
  ::getpwnam_r(std::string(name).c_str(), &entry, buffer.data(), buffer.size(), &found);
  return account_of(found);
}

std::optional<Account> find_account(uid_t uid) {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 16384> buffer;
  ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
  return account_of(found);
}

Account own_account() {
  const std::optional<Account> own = find_account(::geteuid());
  if (!own) throw invalid(fmt::format("user id {} has no account; add it to /etc/passwd", ::geteuid()));
  return *own;
}

pid_t spawn(const Command& command) {
  std::vector<std::string> arguments = with_privileges(command);
  std::vector<std::string> environment = command.environment;
  environment.emplace_back("PATH=/usr/sbin:/usr/bin:/sbin:/bin");
  environment.emplace_back("LANG=C.UTF-8");
  environment.emplace_back("TZ=UTC");

  SpawnPlan plan;
  posix_spawn_file_actions_addchdir_np(&plan.actions, command.folder.c_str());
  posix_spawn_file_actions_addopen(&plan.actions, 0, "/dev/null", O_RDONLY, 0);
  if (command.output >= 0) {
    posix_spawn_file_actions_adddup2(&plan.actions, command.output, 1);
  } else {
    posix_spawn_file_actions_addopen(&plan.actions, 1, "/dev/null", O_WRONLY, 0);
  }
  posix_spawn_file_actions_adddup2(&plan.actions, 1, 2);
  posix_spawn_file_actions_addclosefrom_np(&plan.actions, 3);

  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&plan.attributes, &none);
  posix_spawnattr_setsigdefault(&plan.attributes, &all);
  posix_spawnattr_setpgroup(&plan.attributes, 0);
  posix_spawnattr_setflags(&plan.attributes, short(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                   (command.own_group ? POSIX_SPAWN_SETPGROUP : 0)));
  pid_t process = 0;
  const int failure = ::posix_spawn(&process, arguments[0].c_str(), &plan.actions, &plan.attributes,
                                    pointers(arguments).data(), pointers(environment).data());
  if (failure != 0) throw internal(fmt::format("cannot start {}: {}", arguments[0], std::strerror(failure)));
  return process;
}

Finished run_to_end(Command command) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw internal(fmt::format("cannot make a pipe: {}", std::strerror(errno)));
  command.output = ends[1];
  pid_t process = 0;
  try {
    process = spawn(command);
  } catch (const Error&) {
    ::close(ends[0]);
    ::close(ends[1]);
    throw;
  }
  ::close(ends[1]);
  Finished finished;
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t count = ::read(ends[0], buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    finished.output.append(buffer.data(), std::size_t(count));
  }
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  finished.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return finished;
}

}  // namespace certctl::db
