#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "core/http/server.hpp"
#include "core/http/tls_context.hpp"
#include "core/http/tls_stream.hpp"
#include "core/http/wire.hpp"
#include "core/http/worker_pool.hpp"

/// One client's connection as a state machine that never blocks. Knows neither Asio nor Beast.
namespace certctl::http {

class Connection;

/// The thread on which a connection lives.
class Loop {
 public:
  virtual ~Loop() = default;
  /// Runs `task` on the loop's thread; dropped after the loop has ended. Any thread.
  virtual void post(std::function<void()> task) = 0;
  /// Gives the connection up. Loop's thread.
  virtual void forget(const std::shared_ptr<Connection>& connection) = 0;
};

/// Readiness of one descriptor. Does not own it. Loop's thread.
class Watch {
 public:
  virtual ~Watch() = default;
  virtual void await_readable(std::function<void()> then) = 0;
  virtual void await_writable(std::function<void()> then) = 0;
};

/// Connections of each client that has not shown a valid credential yet.
class PeerCounts {
 public:
  explicit PeerCounts(std::size_t limit) : limit_(limit) {}
  bool acquire(const std::string& client);
  void release(const std::string& client);

 private:
  const std::size_t limit_;
  std::mutex mutex_;
  std::unordered_map<std::string, std::size_t> counts_;
};

/// What all connections of a server share.
struct Shared {
  Shared(const ServerOptions& options, Application& app);

  Application& application;
  ServerLimits limits;
  TlsContext tls;
  WorkerPool pool;
  PeerCounts peers;
  std::atomic<bool> draining{false};
  std::atomic<bool> stopping{false};

  std::atomic<std::uint64_t> accepted{0}, handshakes{0}, handshakes_failed{0}, requests{0}, shed_queue{0},
      shed_connections{0};
  std::atomic<std::size_t> busy{0}, parked{0};

  std::mutex mutex;
  std::condition_variable fewer;
  std::size_t connections = 0;  ///< under `mutex`
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Clock = std::chrono::steady_clock;

  /// Takes the descriptor over. `client` holds a slot in Shared::peers.
  Connection(std::shared_ptr<Shared> shared, std::shared_ptr<Loop> loop, std::unique_ptr<TlsStream> tls,
             std::unique_ptr<Watch> watch, IpAddress peer);
  ~Connection();

  // All on the loop's thread.
  void start();
  void check_deadline(Clock::time_point now);
  /// The draining or stopping flag has been set.
  void drain();
  void cut();

 private:
  class ExchangeReply;
  class PendingChunk;
  enum class Phase { handshake, idle, head, admitting, body, handling, writing, pulling, lingering, closed };
  struct Parked {
    Clock::time_point until;
    std::function<Response(ParkEnd)> end;
    std::shared_ptr<Reply::State> state;
  };

  void guarded(const std::function<void()>& step);
  void post(std::function<void()> step);
  void await_read();
  void await_write();
  void on_ready();
  void set_deadline(std::chrono::milliseconds limit) { deadline_ = Clock::now() + limit; }
  void no_deadline() { deadline_ = Clock::time_point::max(); }
  bool leaves_when_idle() const;

  void step_handshake();
  void become_idle();
  void step_read();
  bool consume();
  void on_head();
  void begin_request();
  void admit();
  void on_admitted(std::optional<Response> refusal);
  void run_handler();

  void on_answer(std::uint64_t exchange, Response response);
  void on_park(std::uint64_t exchange, Parked parked);
  void end_park(ParkEnd reason);
  void watch_client();

  void refuse(const wire::Fault& fault);
  void respond(Response response);
  void finish_body();
  void step_write();
  void after_write();
  void pull();
  void on_chunk(std::uint64_t exchange, std::optional<std::string> data);
  void drop_stream();
  void end_exchange(bool complete);
  void begin_close(bool linger);
  void step_linger();
  void close();
  void release_peer();

  std::shared_ptr<Shared> shared_;
  std::shared_ptr<Loop> loop_;
  std::unique_ptr<TlsStream> tls_;
  std::unique_ptr<Watch> watch_;
  const IpAddress peer_;

  Phase phase_ = Phase::handshake;
  Clock::time_point deadline_ = Clock::time_point::max();
  bool reading_ = false;  ///< a wait for readability is out
  bool writing_ = false;
  bool counted_ = true;      ///< holds a slot of its peer
  bool served_ = false;      ///< has had an answer
  bool continuing_ = false;  ///< what is being written is `100 Continue`
  bool keep_alive_ = false;
  bool chunked_ = false;
  std::uint64_t exchange_ = 0;  ///< number of the request; tells late answers from current ones
  std::string input_;           ///< decrypted, not yet parsed
  std::string output_;
  std::string output_tail_;  ///< a large body, after output_
  std::size_t written_ = 0;
  std::unique_ptr<wire::RequestParser> parser_;
  std::shared_ptr<Request> request_;
  std::unique_ptr<Parked> parked_;
  std::shared_ptr<ChunkSource> stream_;
  int status_ = 0;
  std::uint64_t bytes_out_ = 0;
};

}  // namespace certctl::http
