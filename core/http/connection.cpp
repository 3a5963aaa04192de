#include "core/http/connection.hpp"

#include <sys/socket.h>

#include <array>

#include "core/base/id.hpp"
#include "core/http/error_response.hpp"
#include "core/http/messages.hpp"
#include "core/http/reply_state.hpp"

namespace certctl::http {
namespace {

constexpr int kTurns = 16;                 // reads or writes before other connections get the thread
constexpr std::size_t kChunk = 16 * 1024;  // one TLS record
constexpr std::size_t kPipelineLimit = 64 * 1024;
constexpr std::chrono::seconds kLinger{2};

}  // namespace

bool PeerCounts::acquire(const std::string& client) {
  std::scoped_lock lock(mutex_);
  auto& count = counts_[client];
  if (count >= limit_) return false;
  ++count;
  return true;
}

void PeerCounts::release(const std::string& client) {
  std::scoped_lock lock(mutex_);
  const auto found = counts_.find(client);
  if (found != counts_.end() && --found->second == 0) counts_.erase(found);
}

Shared::Shared(const ServerOptions& options, Application& app)
    : application(app),
      limits(options.limits),
      tls(options.tls_cert_path, options.tls_key_path),
      pool(options.limits.workers, options.limits.queue),
      peers(options.limits.connections_per_ip) {}

/// Carries an answer from any thread to the connection's own.
class Connection::ExchangeReply final : public Reply::State {
 public:
  ExchangeReply(std::shared_ptr<Connection> connection, std::uint64_t exchange, std::string request_id)
      : connection_(std::move(connection)), exchange_(exchange), request_id_(std::move(request_id)) {}

  ~ExchangeReply() override {
    if (!answered_) send(error_response(500, "Internal Server Error", request_id_));
  }

  void answer(Response response) override {
    if (!answered_.exchange(true)) send(std::move(response));
  }

  void park(std::chrono::milliseconds limit, std::function<Response(ParkEnd)> end,
            std::shared_ptr<Reply::State> self) override {
    const auto parked = std::make_shared<Parked>(Parked{Clock::now() + limit, std::move(end), std::move(self)});
    connection_->post([connection = connection_.get(), exchange = exchange_, parked] {
      connection->on_park(exchange, std::move(*parked));
    });
  }

  bool answered() const override { return answered_; }
  const std::string& request_id() const override { return request_id_; }

 private:
  void send(Response response) {
    const auto held = std::make_shared<Response>(std::move(response));
    connection_->post([connection = connection_.get(), exchange = exchange_, held] {
      connection->on_answer(exchange, std::move(*held));
    });
  }

  const std::shared_ptr<Connection> connection_;
  const std::uint64_t exchange_;
  const std::string request_id_;
  std::atomic<bool> answered_{false};
};

Connection::Connection(std::shared_ptr<Shared> shared, std::shared_ptr<Loop> loop, std::unique_ptr<TlsStream> tls,
                       std::unique_ptr<Watch> watch, IpAddress peer)
    : shared_(std::move(shared)), loop_(std::move(loop)), tls_(std::move(tls)), watch_(std::move(watch)), peer_(peer) {}

Connection::~Connection() = default;

void Connection::guarded(const std::function<void()>& step) {
  if (phase_ == Phase::closed) return;
  try {
    step();
  } catch (const std::exception& error) {
    log::write(kConnectionFailed, {{"error", error.what()}});
    close();
  }
}

void Connection::post(std::function<void()> step) {
  loop_->post([self = shared_from_this(), step = std::move(step)] { self->guarded(step); });
}

void Connection::await_read() {
  if (std::exchange(reading_, true)) return;
  watch_->await_readable([self = shared_from_this()] {
    self->reading_ = false;
    self->guarded([&] { self->on_ready(); });
  });
}

void Connection::await_write() {
  if (std::exchange(writing_, true)) return;
  watch_->await_writable([self = shared_from_this()] {
    self->writing_ = false;
    self->guarded([&] { self->on_ready(); });
  });
}

void Connection::on_ready() {
  switch (phase_) {
    case Phase::handshake:
      return step_handshake();
    case Phase::idle:
    case Phase::head:
    case Phase::body:
      return step_read();
    case Phase::writing:
      return step_write();
    case Phase::handling:
      return watch_client();
    case Phase::lingering:
      return step_linger();
    case Phase::admitting:
    case Phase::pulling:
    case Phase::closed:
      return;
  }
}

// ---- reading -------------------------------------------------------------------------------------------------------

void Connection::start() {
  guarded([&] {
    set_deadline(shared_->limits.handshake);
    step_handshake();
  });
}

void Connection::step_handshake() {
  switch (tls_->handshake()) {
    case TlsStream::Status::done:
      ++shared_->handshakes;
      return become_idle();
    case TlsStream::Status::want_read:
      return await_read();
    case TlsStream::Status::want_write:
      return await_write();
    case TlsStream::Status::closed:
    case TlsStream::Status::failed:
      ++shared_->handshakes_failed;
      return close();
  }
}

void Connection::become_idle() {
  phase_ = Phase::idle;
  set_deadline(shared_->limits.idle);
  output_ = {};
  output_tail_ = {};
  if (input_.empty()) input_ = {};
  // Posted, not called: a client that sends a long pipeline must neither own the thread nor deepen the stack.
  post([this] {
    if (phase_ == Phase::idle) step_read();
  });
}

bool Connection::leaves_when_idle() const {
  return phase_ == Phase::idle && (shared_->stopping || (shared_->draining && served_));
}

void Connection::step_read() {
  std::array<char, kChunk> chunk;
  for (int turn = 0; turn < kTurns; ++turn) {
    if (!consume()) return;
    const auto got = tls_->read(chunk);
    switch (got.status) {
      case TlsStream::Status::done:
        input_.append(chunk.data(), got.bytes);
        break;
      case TlsStream::Status::want_read:
        return leaves_when_idle() ? begin_close(false) : await_read();
      case TlsStream::Status::want_write:
        return await_write();
      case TlsStream::Status::closed:
      case TlsStream::Status::failed:
        return close();
    }
  }
  post([this] {
    if (phase_ == Phase::idle || phase_ == Phase::head || phase_ == Phase::body) step_read();
  });
}

/// Parses what is buffered. True: more bytes are wanted.
bool Connection::consume() {
  if (phase_ == Phase::idle) {
    input_.erase(0, input_.find_first_not_of("\r\n"));  // RFC 9112 §2.2: empty lines before a request line
    if (input_.empty()) return true;
    phase_ = Phase::head;
    set_deadline(shared_->limits.read_header);
    parser_ = std::make_unique<wire::RequestParser>(shared_->limits.header_bytes);
  }
  input_.erase(0, parser_->feed(input_));
  const auto state = parser_->state();
  if (state == wire::RequestParser::State::failed) {
    refuse(parser_->fault());
    return false;
  }
  if (phase_ == Phase::head) {
    if (state == wire::RequestParser::State::head) return true;
    on_head();
    return false;
  }
  if (state != wire::RequestParser::State::complete) return true;
  request_->body = parser_->take_body();
  run_handler();
  return false;
}

void Connection::begin_request() {
  request_ = std::make_shared<Request>();
  request_->request_id = new_uuid();
  request_->peer = request_->remote = peer_;
  request_->received = Clock::now();
  ++exchange_;
  ++shared_->requests;
  ++shared_->busy;
}

void Connection::on_head() {
  begin_request();
  parser_->take_head(*request_);
  if (parser_->state() == wire::RequestParser::State::failed) return refuse(parser_->fault());
  if (auto refusal = shared_->application.on_head(*request_)) return respond(std::move(*refusal));
  finish_body();
  if (parser_->state() == wire::RequestParser::State::failed) return refuse(parser_->fault());
  admit();
}

/// Takes the part of the body that is already here.
void Connection::finish_body() {
  if (parser_->state() == wire::RequestParser::State::head_done) {
    parser_->allow_body(request_->body_limit != 0 ? request_->body_limit : shared_->limits.body_bytes);
  }
  input_.erase(0, parser_->feed(input_));
}

// ---- deciding ------------------------------------------------------------------------------------------------------

/// One trip to the pool when the body is here, as it mostly is; two when it is still to come: nobody waits for a
/// client's bytes on a thread, and nobody reads a body of a caller who may not send one.
void Connection::admit() {
  const bool complete = parser_->state() == wire::RequestParser::State::complete;
  phase_ = complete ? Phase::handling : Phase::admitting;
  no_deadline();
  if (complete) request_->body = parser_->take_body();
  auto job = [self = shared_from_this(), request = request_, exchange = exchange_, complete] {
    auto& application = self->shared_->application;
    auto refusal = application.admit(*request);
    if (!complete) {
      const auto held = std::make_shared<std::optional<Response>>(std::move(refusal));
      self->post([connection = self.get(), held] { connection->on_admitted(std::move(*held)); });
      return;
    }
    const Reply reply(std::make_shared<ExchangeReply>(self, exchange, request->request_id));
    if (refusal)
      reply(std::move(*refusal));
    else
      application.handle(request, reply);
  };
  if (shared_->pool.submit(std::move(job), shared_->application.urgent(*request_))) return;
  ++shared_->shed_queue;
  Response busy = error_response(503, "the server is busy; try again", request_->request_id);
  busy.headers.set("Retry-After", "1");
  respond(std::move(busy));
}

void Connection::on_admitted(std::optional<Response> refusal) {
  if (phase_ != Phase::admitting) return;
  if (request_->principal.known()) release_peer();
  if (refusal) return respond(std::move(*refusal));
  if (parser_->expects_continue() && input_.empty()) {
    continuing_ = true;
    output_ = wire::continue_line();
    written_ = 0;
    phase_ = Phase::writing;
    set_deadline(shared_->limits.write);
    return step_write();
  }
  phase_ = Phase::body;
  set_deadline(shared_->limits.read);
  step_read();
}

void Connection::run_handler() {
  phase_ = Phase::handling;
  no_deadline();
  auto job = [self = shared_from_this(), request = request_, exchange = exchange_] {
    self->shared_->application.handle(request,
                                      Reply(std::make_shared<ExchangeReply>(self, exchange, request->request_id)));
  };
  // Already admitted, and its body read: refusing it now would only make the client send all of it again.
  shared_->pool.submit_always(std::move(job), shared_->application.urgent(*request_));
}

void Connection::on_answer(std::uint64_t exchange, Response response) {
  if (phase_ != Phase::handling || exchange != exchange_) return;
  if (parked_) {
    parked_.reset();
    --shared_->parked;
  }
  if (request_->principal.known()) release_peer();
  respond(std::move(response));
}

void Connection::on_park(std::uint64_t exchange, Parked parked) {
  if (phase_ != Phase::handling || exchange != exchange_ || parked.state->answered()) return;
  if (!parked_) ++shared_->parked;
  parked_ = std::make_unique<Parked>(std::move(parked));
  if (request_->principal.known()) release_peer();
  if (shared_->stopping) return end_park(ParkEnd::draining);
  if (parked_->until <= Clock::now()) return end_park(ParkEnd::deadline);
  watch_client();
}

void Connection::end_park(ParkEnd reason) {
  const auto parked = std::move(parked_);
  --shared_->parked;
  try {
    parked->state->answer(parked->end(reason));
  } catch (...) {
    parked->state->answer(current_exception_response(request_->request_id));
  }
}

/// While a request is parked the only news from its client is that it has gone, or its next request.
void Connection::watch_client() {
  std::array<char, kChunk> chunk;
  while (parked_ && input_.size() < kPipelineLimit) {
    const auto got = tls_->read(chunk);
    if (got.status == TlsStream::Status::done) {
      input_.append(chunk.data(), got.bytes);
    } else if (got.status == TlsStream::Status::want_read || got.status == TlsStream::Status::want_write) {
      return await_read();
    } else {
      return close();
    }
  }
}

// ---- ending --------------------------------------------------------------------------------------------------------

/// Closing with unread bytes in the kernel sends a reset, which can destroy the answer before the client reads it: so
/// the rest of a refused request is swallowed for a moment.
void Connection::begin_close(bool linger) {
  tls_->finish();
  if (!linger) return close();
  phase_ = Phase::lingering;
  input_ = {};
  deadline_ = Clock::now() + kLinger;
  step_linger();
}

void Connection::step_linger() {
  std::array<char, kChunk> chunk;
  for (int turn = 0; turn < kTurns; ++turn) {
    const ssize_t got = ::recv(tls_->descriptor(), chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (got > 0) continue;
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return await_read();
    return close();
  }
  post([this] {
    if (phase_ == Phase::lingering) step_linger();
  });
}

void Connection::close() {
  if (phase_ == Phase::closed) return;
  const auto self = shared_from_this();
  phase_ = Phase::closed;
  if (parked_) end_park(ParkEnd::client_gone);
  if (request_) end_exchange(false);
  release_peer();
  watch_.reset();
  tls_.reset();
  loop_->forget(self);
}

void Connection::release_peer() {
  if (std::exchange(counted_, false)) shared_->peers.release(peer_.client_key());
}

void Connection::cut() { close(); }

void Connection::drain() {
  guarded([&] {
    if (parked_ && shared_->stopping) return end_park(ParkEnd::draining);
    if (shared_->stopping && phase_ == Phase::handshake) return close();
    if (leaves_when_idle()) step_read();  // a request may be in the kernel already
  });
}

void Connection::check_deadline(Clock::time_point now) {
  guarded([&] {
    if (parked_ && parked_->until <= now) return end_park(ParkEnd::deadline);
    if (deadline_ > now) return;
    switch (phase_) {
      case Phase::head:
        return refuse({408, "the request head took too long"});
      case Phase::body:
        return refuse({408, "the request body took too long"});
      case Phase::idle:
        return begin_close(false);
      default:
        return close();
    }
  });
}

}  // namespace certctl::http
