#include "core/db/private_server.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
extern "C" {  // glibc 2.36 forgot it
#include <sys/pidfd.h>
}

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <deque>
#include <fstream>
#include <future>
#include <thread>

#include "core/base/error.hpp"
#include "core/db/cluster_folder.hpp"
#include "core/db/connection.hpp"
#include "core/db/messages.hpp"
#include "core/db/postgres_log.hpp"
#include "core/db/signal_descriptor.hpp"

namespace certctl::db {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds kPatience{30};     // for a fast stop, and for leftovers of a crash
constexpr seconds kLastPatience{5};  // between SIGQUIT and SIGKILL
constexpr milliseconds kTick{50};
constexpr seconds kLongestBackOff{30};
constexpr std::chrono::minutes kWindow{10};
constexpr std::size_t kMostEnds = 5;

/// A process that can be waited for, whether or not it is our child.
class Process {
 public:
  Process() = default;
  Process(int id, bool is_child) : id_(id), is_child_(is_child), descriptor_(::pidfd_open(id, 0)) {}
  Process(Process&& other) noexcept { *this = std::move(other); }
  Process& operator=(Process&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(is_child_, other.is_child_);
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~Process() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  int id() const { return id_; }
  int descriptor() const { return descriptor_; }
  /// False for one that had ended before it could be looked at.
  bool is_valid() const { return descriptor_ >= 0; }
  void signal(int number) const { ::pidfd_send_signal(descriptor_, number, nullptr, 0); }

  bool has_ended() const {
    pollfd ended{descriptor_, POLLIN, 0};
    return descriptor_ < 0 || ::poll(&ended, 1, 0) > 0;
  }
  /// How it ended, in words.
  std::string reap() {
    int status = 0;
    if (!is_child_ || ::waitpid(id_, &status, 0) != id_) return "ended";
    is_child_ = false;
    return WIFSIGNALED(status) ? fmt::format("killed by signal {}", WTERMSIG(status))
                               : fmt::format("exit status {}", WEXITSTATUS(status));
  }

 private:
  int id_ = 0;
  bool is_child_ = false;
  int descriptor_ = -1;
};

struct StopRequested {};

}  // namespace

/// Everything happens on one thread: PostgreSQL is told to stop when the thread that started it ends.
struct PrivateServer::Supervisor {
  explicit Supervisor(PrivateServerOptions o) : options(std::move(o)) {}

  void start() {
    std::promise<void> first;
    std::future<void> up = first.get_future();
    thread = std::thread([this, first = std::move(first)]() mutable { run(std::move(first)); });
    up.get();
  }

  void stop() {
    stopping = true;
    signal.raise();
    if (thread.joinable()) thread.join();
  }

  void run(std::promise<void> first) {
    try {
      cluster = ClusterFolder::prepare(options);
      bring_up();
      make_database();
    } catch (const StopRequested&) {
      shut_down();
      first.set_exception(std::make_exception_ptr(unavailable("the private PostgreSQL was stopped while starting")));
      return;
    } catch (const std::exception&) {
      shut_down();
      first.set_exception(std::current_exception());
      return;
    }
    ready = true;
    first.set_value();
    while (watch()) {
    }
    ready = false;
    shut_down();
  }

  /// One life of PostgreSQL and the attempts to begin another. False: the end.
  bool watch() {
    try {
      while (!process.has_ended()) pause(seconds(60));
    } catch (const StopRequested&) {
      return false;
    }
    ready = false;
    logged.read();
    const std::string how = process.reap();
    process_id = 0;
    process = Process();
    log::write(kPgDown, {{"how", how}});
    if (options.on_down) options.on_down();
    return revive(how);
  }

  bool revive(std::string how) {
    for (;;) {
      const auto now = steady_clock::now();
      ends.push_back(now);
      while (now - ends.front() > kWindow) ends.pop_front();
      if (logged.is_damaged()) return give_up("its data is damaged: " + logged.tail());
      if (ends.size() >= kMostEnds)
        return give_up(fmt::format("it ended {} times in ten minutes, last: {}", ends.size(), how));
      try {
        const auto until = now + std::min(seconds(1 << (ends.size() - 1)), kLongestBackOff);
        while (steady_clock::now() < until) pause(std::chrono::ceil<milliseconds>(until - steady_clock::now()));
        bring_up();
        ready = true;
        if (options.on_ready) options.on_ready();
        return true;
      } catch (const StopRequested&) {
        return false;
      } catch (const Error& error) {
        shut_down();
        how = error.what();
        log::write(kPgDown, {{"how", how}});
      }
    }
  }

  bool give_up(const std::string& reason) {
    log::write(kPgCrashed, {{"reason", reason}});
    if (options.on_failed) options.on_failed(reason);
    return false;
  }

  /// Waits until something happens, at most `time`; passes PostgreSQL's log on meanwhile.
  void pause(milliseconds time) {
    pollfd events[3] = {
        {signal.descriptor(), POLLIN, 0}, {logged.descriptor(), POLLIN, 0}, {process.descriptor(), POLLIN, 0}};
    ::poll(events, 3, int(time.count()));
    if (logged.read() && logged.is_recovering()) last_progress = steady_clock::now();
    if (stopping) throw StopRequested();
  }

  /// A server that our predecessor started in its last moment may lock the folder after we looked: that one is taken
  /// over, or waited for, too.
  void bring_up() {
    for (const auto until = steady_clock::now() + kPatience;;) {
      try {
        return begin();
      } catch (const Error&) {
        const std::string said = logged.tail();
        const bool held = said.find("lock file") != std::string::npos && said.find("already exists") != std::string::npos;
        if (!held || !process.has_ended() || steady_clock::now() >= until) throw;
        process.reap();
        process = Process();
        process_id = 0;
        pause(milliseconds(200));
      }
    }
  }

  void begin() {
    if (adopt()) return;
    wait_for_leftovers();
    cluster.write_settings(options);
    launch();
    const auto began = steady_clock::now();
    last_progress = began;
    while (!answers()) {
      if (process.has_ended()) {
        logged.read();
        throw unavailable(fmt::format("the private PostgreSQL did not start: {}", logged.tail()));
      }
      if (steady_clock::now() - last_progress > options.start_timeout)
        throw unavailable(
            "the private PostgreSQL did not take connections in time; see the records of component postgres");
      pause(kTick);
    }
    const auto took = std::chrono::duration_cast<milliseconds>(steady_clock::now() - began).count();
    if (logged.is_recovering()) log::write(kPgRecovered, {{"duration_ms", took}});
    log::write(kPgStarted, {{"pid", process.id()}, {"duration_ms", took}, {"folder", cluster.data.string()}});
  }

  void launch() {
    int ends_of_pipe[2];
    if (::pipe2(ends_of_pipe, O_CLOEXEC) != 0)
      throw internal(fmt::format("cannot make a pipe: {}", std::strerror(errno)));
    logged.follow(ends_of_pipe[0]);
    int id = 0;
    try {
      id = spawn({.arguments = {cluster.programs / "postgres", "-D", cluster.data},
                  .environment = {"PGDATA=" + cluster.data.string()},
                  .folder = cluster.data,
                  .account = cluster.account,
                  .output = ends_of_pipe[1],
                  .own_group = true,
                  .death_signal = SIGINT});
    } catch (const Error&) {
      ::close(ends_of_pipe[1]);
      throw;
    }
    ::close(ends_of_pipe[1]);
    process = Process(id, true);
    process_id = id;
    // The kernel should take something else first; only root may ask for that.
    std::ofstream(fmt::format("/proc/{}/oom_score_adj", id)) << "-500";
  }

  /// A server of ours from before a crash: alive (taken over), or on its way down (waited for).
  bool adopt() {
    const std::optional<PostmasterFile> file = read_postmaster_file(cluster.data);
    if (!file || !is_ours(file->process)) return false;
    Process found(file->process, false);
    if (!found.is_valid()) return false;
    process = std::move(found);
    last_progress = steady_clock::now();
    while (!process.has_ended() && !answers()) {
      if (steady_clock::now() - last_progress > options.start_timeout) {
        end_process(SIGQUIT, kLastPatience);
        break;
      }
      pause(kTick);
    }
    if (process.has_ended()) {
      process = Process();
      return false;
    }
    process_id = process.id();
    logged.follow(-1);
    log::write(kPgAdopted, {{"pid", process.id()}});
    return true;
  }

  bool is_ours(int id) const {
    const std::vector<int> inside = processes_of(cluster.data);
    return std::find(inside.begin(), inside.end(), id) != inside.end();
  }

  /// Children of a killed postmaster still hold its shared memory. The file of its process id goes only when no process
  /// holds the folder.
  void wait_for_leftovers() {
    const auto began = steady_clock::now();
    bool said = false;
    bool quit = false;
    for (std::vector<int> left; !(left = processes_of(cluster.data)).empty(); pause(kTick)) {
      const auto waited = steady_clock::now() - began;
      if (!said) log::write(kPgLingering, {{"processes", left.size()}});
      said = true;
      if (waited > kPatience + kLastPatience) {
        for (const int id : left) ::kill(id, SIGKILL);
      } else if (waited > kPatience && !quit) {
        for (const int id : left) ::kill(id, SIGQUIT);
        quit = true;
      }
    }
    // Its number may belong to another process by now, or to one that nobody has reaped: PostgreSQL would take either for
    // a server. The same goes for the socket's lock.
    std::error_code ignored;
    fs::remove(cluster.data / "postmaster.pid", ignored);
    fs::remove(cluster.socket / ".s.PGSQL.5432.lock", ignored);
  }

  bool answers() const {
    try {
      Connection(target("postgres"), {}).run("SELECT 1");
      return true;
    } catch (const Error&) {
      return false;
    }
  }

  void make_database() {
    Connection connection(target("postgres"), {});
    if (connection.run("SELECT 1 FROM pg_database WHERE datname = 'certctl'").empty())
      connection.execute("CREATE DATABASE certctl");
  }

  ConnectionTarget target(std::string_view database) const {
    return ConnectionTarget::parse(fmt::format("host='{}' user=certctl", cluster.socket.string()))
        .with_database(database);
  }

  /// True: it has ended.
  bool end_process(int number, milliseconds patience) {
    process.signal(number);
    const auto until = steady_clock::now() + patience;
    while (!process.has_ended() && steady_clock::now() < until) {
      pollfd events[2] = {{logged.descriptor(), POLLIN, 0}, {process.descriptor(), POLLIN, 0}};
      ::poll(events, 2, int(kTick.count()));
      logged.read();
    }
    return process.has_ended();
  }

  void shut_down() {
    if (!process.is_valid()) return;
    if (!end_process(SIGINT, kPatience)) {
      log::write(kPgStopSlow);
      if (!end_process(SIGQUIT, kLastPatience)) end_process(SIGKILL, kLastPatience);
    }
    process.reap();
    process = Process();
    process_id = 0;
    log::write(kPgStopped);
  }

  const PrivateServerOptions options;
  SignalDescriptor signal;
  std::atomic<bool> stopping{false};
  std::atomic<bool> ready{false};
  std::atomic<int> process_id{0};
  // Of the thread only:
  ClusterFolder cluster;
  Process process;
  PostgresLog logged;
  std::deque<steady_clock::time_point> ends;
  steady_clock::time_point last_progress;
  std::thread thread;
};

PrivateServer::PrivateServer(PrivateServerOptions options)
    : supervisor_(std::make_unique<Supervisor>(std::move(options))) {}

PrivateServer::~PrivateServer() { stop(); }

void PrivateServer::start() { supervisor_->start(); }

void PrivateServer::stop() { supervisor_->stop(); }

bool PrivateServer::ready() const { return supervisor_->ready; }

int PrivateServer::process_id() const { return supervisor_->process_id; }

fs::path PrivateServer::data_folder() const { return supervisor_->cluster.data; }

std::string PrivateServer::url() const {
  const fs::path socket = fs::absolute(supervisor_->options.runtime_dir).lexically_normal() / "pg";
  return fmt::format("host='{}' user=certctl dbname=certctl", socket.string());
}

}  // namespace certctl::db
