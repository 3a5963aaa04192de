#include "agent/signal_watch.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "agent/messages.hpp"
#include "core/base/error.hpp"

namespace certctl::agent {

SignalWatch::SignalWatch() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, number);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signals_ = ::signalfd(-1, &set, SFD_CLOEXEC);
  end_ = ::eventfd(0, EFD_CLOEXEC);
  if (signals_ < 0 || end_ < 0) throw internal("cannot watch for signals: the process has no descriptor left");
}

void SignalWatch::stop() {
  if (!thread_.joinable()) return;
  ::eventfd_write(end_, 1);
  thread_.join();
}

SignalWatch::~SignalWatch() {
  stop();
  ::close(signals_);
  ::close(end_);
}

void SignalWatch::start(std::function<void()> on_stop, std::function<void()> on_reload) {
  on_stop_ = std::move(on_stop);
  on_reload_ = std::move(on_reload);
  thread_ = std::thread([this] { run(); });
}

void SignalWatch::run() {
  bool stopping = false;
  for (;;) {
    pollfd ready[] = {{signals_, POLLIN, 0}, {end_, POLLIN, 0}};
    if (::poll(ready, 2, -1) < 0 && errno != EINTR) return;
    if (ready[1].revents != 0) return;
    if (ready[0].revents == 0) continue;
    signalfd_siginfo info{};
    if (::read(signals_, &info, sizeof info) != ssize_t(sizeof info)) continue;
    if (info.ssi_signo == SIGHUP) {
      on_reload_();
      continue;
    }
    if (stopping) {
      log::write(kStopForced);
      log::stop();
      ::_exit(1);
    }
    stopping = true;
    on_stop_();
  }
}

}  // namespace certctl::agent
