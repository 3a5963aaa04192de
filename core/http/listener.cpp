#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <csignal>
#include <future>
#include <unordered_set>

#include "core/base/error.hpp"
#include "core/http/connection.hpp"
#include "core/http/messages.hpp"
#include "core/http/server.hpp"
#include "core/http/sockets.hpp"

/// Asio, for readiness and timers only, stands in this file and in no other.
namespace certctl::http {
namespace {

namespace asio = boost::asio;
using Descriptor = asio::posix::basic_stream_descriptor<asio::io_context::executor_type>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>,
                                         asio::io_context::executor_type>;

constexpr int kAcceptsATurn = 64;
constexpr std::size_t kReservedDescriptors = 256;  // database, files, agents' plugins
constexpr std::chrono::hours kTicketKeyLife{12};
constexpr std::chrono::hours kExpiryNotice{30 * 24};

class AsioWatch final : public Watch {
 public:
  AsioWatch(asio::io_context& context, int descriptor) : descriptor_(context, descriptor) {}
  ~AsioWatch() override { descriptor_.release(); }

  void await_readable(std::function<void()> then) override { wait(Descriptor::wait_read, std::move(then)); }
  void await_writable(std::function<void()> then) override { wait(Descriptor::wait_write, std::move(then)); }

 private:
  void wait(Descriptor::wait_type type, std::function<void()> then) {
    descriptor_.async_wait(type, [then = std::move(then)](const boost::system::error_code& error) {
      if (!error) then();
    });
  }
  Descriptor descriptor_;
};

/// A thread and the connections that live on it. Deadlines are swept: a timer a connection would cost more memory than
/// all it saves, and a stale timer's handler cannot exist.
class AsioLoop final : public Loop, public std::enable_shared_from_this<AsioLoop> {
 public:
  AsioLoop(std::shared_ptr<Shared> shared, std::chrono::milliseconds sweep)
      : shared_(std::move(shared)), sweep_interval_(sweep), work_(context_.get_executor()), sweep_(context_) {}

  asio::io_context& context() { return context_; }

  void start() {
    thread_ = std::thread([this] { context_.run(); });
  }

  void post(std::function<void()> task) override {
    std::scoped_lock lock(mutex_);
    if (!ended_) asio::post(context_, std::move(task));
  }

  void add(int descriptor, const IpAddress& peer) {
    std::unique_ptr<TlsStream> tls;
    try {
      tls = std::make_unique<TlsStream>(shared_->tls.current(), descriptor);
    } catch (const std::exception& error) {
      log::write(kConnectionFailed, {{"error", error.what()}});
      shared_->peers.release(peer.client_key());
      return count_down();
    }
    const auto connection = std::make_shared<Connection>(shared_, shared_from_this(), std::move(tls),
                                                         std::make_unique<AsioWatch>(context_, descriptor), peer);
    connections_.insert(connection);
    if (!sweeping_) sweep();
    connection->start();
  }

  void forget(const std::shared_ptr<Connection>& connection) override {
    if (connections_.erase(connection) != 0) count_down();
  }

  template <typename F>
  void for_each(const F& f) {
    const std::vector<std::shared_ptr<Connection>> now(connections_.begin(), connections_.end());
    for (const auto& connection : now) f(*connection);
  }

  void end() {
    {
      std::scoped_lock lock(mutex_);
      ended_ = true;
    }
    work_.reset();
    context_.stop();
    if (thread_.joinable()) thread_.join();
    // What was posted last holds connections, and they hold this loop: let it run out.
    context_.restart();
    for_each([](Connection& connection) { connection.cut(); });
    context_.poll();
  }

 private:
  void count_down() {
    std::scoped_lock lock(shared_->mutex);
    --shared_->connections;
    shared_->fewer.notify_all();
  }

  void sweep() {
    sweeping_ = !connections_.empty();
    if (!sweeping_) return;
    sweep_.expires_after(sweep_interval_);
    sweep_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      const auto now = Connection::Clock::now();
      for_each([&](Connection& connection) { connection.check_deadline(now); });
      sweep();
    });
  }

  std::shared_ptr<Shared> shared_;
  const std::chrono::milliseconds sweep_interval_;
  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  Timer sweep_;
  bool sweeping_ = false;
  std::unordered_set<std::shared_ptr<Connection>> connections_;
  std::mutex mutex_;
  bool ended_ = false;
  std::thread thread_;
};

/// Fine enough for the shortest limit, coarse enough to cost nothing.
std::chrono::milliseconds sweep_interval(const ServerLimits& limits) {
  const auto shortest = std::min({limits.handshake, limits.read_header, limits.read, limits.write, limits.idle});
  return std::clamp(shortest / 4, std::chrono::milliseconds(10), std::chrono::milliseconds(250));
}

void ignore_sigpipe() {
  // SSL_set_fd writes with write(2), which raises it on a closed connection.
  struct sigaction action {};
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &action, nullptr);
}

}  // namespace

class Server::Implementation {
 public:
  Implementation(ServerOptions options, Application& application)
      : options_(bounded(std::move(options))), shared_(std::make_shared<Shared>(options_, application)) {
    ignore_sigpipe();
    if (options_.inherited.empty()) listeners_ = Listener::open(options_.hosts, options_.port);
    for (const int descriptor : options_.inherited) listeners_.emplace_back(descriptor);
    const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
    const std::size_t threads =
        options_.limits.io_threads != 0 ? options_.limits.io_threads : std::min<std::size_t>(cores, 8);
    for (std::size_t i = 0; i < threads; ++i)
      loops_.push_back(std::make_shared<AsioLoop>(shared_, sweep_interval(options_.limits)));
  }

  ~Implementation() { stop(std::chrono::milliseconds(0)); }

  void start() {
    for (const auto& listener : listeners_) {
      acceptors_.push_back(std::make_unique<Acceptor>(loops_.front()->context(), listener));
      log::write(kListening, {{"address", listener.address()}});
    }
    if (options_.tls_reload_interval.count() > 0) {
      poll_timer_ = std::make_unique<Timer>(loops_.front()->context());
      poll_files();
    }
    for (auto& acceptor : acceptors_) accept(*acceptor);
    for (const auto& loop : loops_) loop->start();
    started_ = true;
  }

  std::uint16_t port() const { return listeners_.empty() ? port_ : listeners_.front().port(); }

  std::vector<std::string> addresses() const {
    std::vector<std::string> result;
    for (const auto& listener : listeners_) result.push_back(listener.address());
    return result;
  }

  std::string reload_tls() {
    std::scoped_lock lock(reload_mutex_);
    auto& tls = shared_->tls;
    try {
      tls.reload();
    } catch (const Error& error) {
      log::write(kTlsReloadFailed,
                 {{"cert_path", tls.cert_path()}, {"key_path", tls.key_path()}, {"error", error.what()}});
      return error.what();
    }
    log::write(kTlsReloaded,
               {{"cert_path", tls.cert_path()}, {"key_path", tls.key_path()}, {"subject", tls.certificate().subject}});
    warn_before_expiry();
    return {};
  }

  CertificateInfo certificate() const { return shared_->tls.certificate(); }

  void begin_drain() {
    shared_->draining = true;
    if (started_) tell_connections();
  }

  std::size_t stop(std::chrono::milliseconds limit) {
    std::scoped_lock lock(stop_mutex_);
    if (std::exchange(stopped_, true)) return 0;
    shared_->draining = true;
    shared_->stopping = true;
    std::size_t cut = 0;
    if (started_) {
      close_acceptors();
      tell_connections();
      cut = wait_for_connections(limit);
      if (cut != 0) {
        log::write(kDrainCut, {{"connections", cut}});
        for (const auto& loop : loops_)
          loop->post([loop] { loop->for_each([](Connection& connection) { connection.cut(); }); });
        wait_for_connections(std::chrono::seconds(10));
      }
    }
    // Handlers that still run are waited for: they use what the program is about to take down.
    shared_->pool.stop();
    for (const auto& loop : loops_) loop->end();
    acceptors_.clear();
    poll_timer_.reset();
    return cut;
  }

  ServerStats stats() const {
    ServerStats stats;
    stats.accepted = shared_->accepted;
    stats.handshakes = shared_->handshakes;
    stats.handshakes_failed = shared_->handshakes_failed;
    stats.requests = shared_->requests;
    stats.shed_queue = shared_->shed_queue;
    stats.shed_connections = shared_->shed_connections;
    stats.busy = shared_->busy;
    stats.parked = shared_->parked;
    stats.queued = shared_->pool.queued();
    stats.workers_busy = shared_->pool.busy();
    std::scoped_lock lock(shared_->mutex);
    stats.connections = shared_->connections;
    return stats;
  }

 private:
  struct Acceptor {
    Acceptor(asio::io_context& context, const Listener& l)
        : listener(l), descriptor(context, l.descriptor()), pause(context) {}
    ~Acceptor() { descriptor.release(); }
    const Listener& listener;
    Descriptor descriptor;
    Timer pause;
  };

  static ServerOptions bounded(ServerOptions options) {
    const std::size_t descriptors = raise_descriptor_limit();
    const std::size_t most =
        descriptors > 2 * kReservedDescriptors ? descriptors - kReservedDescriptors : descriptors / 2;
    if (options.limits.connections > most) {
      log::write(kConnectionsBounded, {{"configured", options.limits.connections}, {"effective", most}});
      options.limits.connections = most;
    }
    return options;
  }

  void accept(Acceptor& acceptor) {
    acceptor.descriptor.async_wait(Descriptor::wait_read, [this, &acceptor](const boost::system::error_code& error) {
      if (error || shared_->stopping) return;
      for (int i = 0; i < kAcceptsATurn; ++i) {
        const auto accepted = acceptor.listener.accept();
        if (accepted.descriptor >= 0) {
          admit(accepted);
        } else if (accepted.error == EAGAIN) {
          break;
        } else if (accepted.error != ECONNABORTED && accepted.error != EINTR) {
          return pause(acceptor, accepted.error);
        }
      }
      accept(acceptor);
    });
  }

  /// Out of descriptors or memory: wait for some to come back instead of spinning.
  void pause(Acceptor& acceptor, int error) {
    log::write(kAcceptFailed, {{"error", std::generic_category().message(error)}});
    acceptor.pause.expires_after(std::chrono::milliseconds(100));
    acceptor.pause.async_wait([this, &acceptor](const boost::system::error_code& cancelled) {
      if (!cancelled && !shared_->stopping) accept(acceptor);
    });
  }

  void admit(const Listener::Accepted& accepted) {
    ++shared_->accepted;
    {
      std::scoped_lock lock(shared_->mutex);
      if (shared_->connections >= options_.limits.connections) {
        ++shared_->shed_connections;
        ::close(accepted.descriptor);
        return;
      }
      ++shared_->connections;
    }
    if (!shared_->peers.acquire(accepted.peer.client_key())) {
      ++shared_->shed_connections;
      ::close(accepted.descriptor);
      std::scoped_lock lock(shared_->mutex);
      --shared_->connections;
      return;
    }
    const auto& loop = loops_[next_loop_++ % loops_.size()];
    loop->post([loop, accepted] { loop->add(accepted.descriptor, accepted.peer); });
  }

  void tell_connections() {
    for (const auto& loop : loops_)
      loop->post([loop] { loop->for_each([](Connection& connection) { connection.drain(); }); });
  }

  void close_acceptors() {
    std::promise<void> closed;
    loops_.front()->post([&] {
      port_ = port();
      for (auto& acceptor : acceptors_) {
        acceptor->descriptor.cancel();
        acceptor->pause.cancel();
        acceptor->descriptor.release();
      }
      listeners_.clear();
      if (poll_timer_) poll_timer_->cancel();
      closed.set_value();
    });
    closed.get_future().wait();
  }

  std::size_t wait_for_connections(std::chrono::milliseconds limit) {
    std::unique_lock lock(shared_->mutex);
    shared_->fewer.wait_for(lock, limit, [&] { return shared_->connections == 0; });
    return shared_->connections;
  }

  void warn_before_expiry() {
    const auto info = shared_->tls.certificate();
    if (info.not_after - SystemClock().now() < kExpiryNotice) {
      log::write(kTlsExpiresSoon, {{"subject", info.subject}, {"cert_path", options_.tls_cert_path}});
    }
  }

  /// Secrets that an orchestrator mounts change without a signal. Files are read on a pool thread.
  void poll_files() {
    poll_timer_->expires_after(options_.tls_reload_interval);
    poll_timer_->async_wait([this](const boost::system::error_code& cancelled) {
      if (cancelled || shared_->stopping) return;
      shared_->pool.submit_always([this] {
        if (shared_->tls.files_changed()) {
          if (!reload_tls().empty()) return;
          ticket_keys_made_ = std::chrono::steady_clock::now();
        } else if (std::chrono::steady_clock::now() - ticket_keys_made_ > kTicketKeyLife) {
          shared_->tls.rotate_ticket_keys();
          ticket_keys_made_ = std::chrono::steady_clock::now();
        }
      });
      poll_files();
    });
  }

  const ServerOptions options_;
  std::shared_ptr<Shared> shared_;
  std::vector<Listener> listeners_;
  std::vector<std::shared_ptr<AsioLoop>> loops_;
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  std::unique_ptr<Timer> poll_timer_;
  std::chrono::steady_clock::time_point ticket_keys_made_ = std::chrono::steady_clock::now();
  std::mutex reload_mutex_;
  std::mutex stop_mutex_;
  std::size_t next_loop_ = 0;
  std::uint16_t port_ = 0;
  bool started_ = false;
  bool stopped_ = false;
};

Server::Server(ServerOptions options, Application& application)
    : implementation_(std::make_unique<Implementation>(std::move(options), application)) {}
Server::~Server() = default;

void Server::start() { implementation_->start(); }
std::uint16_t Server::port() const { return implementation_->port(); }
std::vector<std::string> Server::addresses() const { return implementation_->addresses(); }
std::string Server::reload_tls() { return implementation_->reload_tls(); }
CertificateInfo Server::certificate() const { return implementation_->certificate(); }
void Server::begin_drain() { implementation_->begin_drain(); }
std::size_t Server::stop(std::chrono::milliseconds limit) { return implementation_->stop(limit); }
ServerStats Server::stats() const { return implementation_->stats(); }

}  // namespace certctl::http
