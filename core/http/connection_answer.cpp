#include <fmt/format.h>

#include <array>
#include <ctime>

#include "core/http/connection.hpp"
#include "core/http/error_response.hpp"

/// The half of a connection that writes: heads, bodies, streams.
namespace certctl::http {
namespace {

constexpr int kTurns = 16;                     // writes before other connections get the thread
constexpr std::size_t kJoinLimit = 64 * 1024;  // smaller bodies are written together with the head

/// IMF-fixdate (RFC 9110 §5.6.7).
std::string http_date() {
  static constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[std::size_t(parts.tm_wday)], parts.tm_mday,
                     kMonths[std::size_t(parts.tm_mon)], parts.tm_year + 1900, parts.tm_hour, parts.tm_min,
                     parts.tm_sec);
}

bool has_no_body(int status) { return status == 204 || status == 304 || status < 200; }

}  // namespace

/// The right to deliver one chunk of a stream; gone without a delivery, the connection is cut.
class Connection::PendingChunk {
 public:
  PendingChunk(std::shared_ptr<Connection> connection, std::uint64_t exchange)
      : connection_(std::move(connection)), exchange_(exchange) {}

  ~PendingChunk() {
    if (used_) return;
    connection_->post([connection = connection_.get(), exchange = exchange_] {
      if (connection->phase_ == Phase::pulling && connection->exchange_ == exchange) connection->cut();
    });
  }

  void deliver(std::optional<std::string> data) {
    if (used_.exchange(true)) return;
    const auto held = std::make_shared<std::optional<std::string>>(std::move(data));
    connection_->post([connection = connection_.get(), exchange = exchange_, held] {
      connection->on_chunk(exchange, std::move(*held));
    });
  }

 private:
  const std::shared_ptr<Connection> connection_;
  const std::uint64_t exchange_;
  std::atomic<bool> used_{false};
};

void Connection::refuse(const wire::Fault& fault) {
  if (!request_) begin_request();
  Response response = error_response(fault.status, fault.message, request_->request_id);
  response.close = true;
  respond(std::move(response));
}

void Connection::respond(Response response) {
  if (parser_->state() != wire::RequestParser::State::failed) finish_body();
  const bool consumed = parser_->state() == wire::RequestParser::State::complete;
  keep_alive_ = consumed && parser_->keep_alive() && !response.close && !shared_->draining;

  shared_->application.decorate(*request_, response);
  const bool head_only = request_->method == "HEAD";
  const bool bodiless = has_no_body(response.status);
  const bool streams = response.streams() && !head_only && !bodiless;
  chunked_ = streams && !parser_->old_version();
  if (streams && !chunked_) keep_alive_ = false;  // HTTP/1.0: the end of the connection ends the body
  if (chunked_)
    response.headers.set("Transfer-Encoding", "chunked");
  else if (!bodiless && !response.streams())
    response.headers.set("Content-Length", std::to_string(response.body.size()));
  if (!keep_alive_)
    response.headers.set("Connection", "close");
  else if (parser_->old_version())
    response.headers.set("Connection", "keep-alive");
  response.headers.set("Date", http_date());

  output_ = wire::serialize_head(response);
  if (streams) {
    stream_ = std::make_shared<ChunkSource>(std::move(response.stream));
  } else if (!head_only && !bodiless) {
    if (response.body.size() <= kJoinLimit)
      output_ += response.body;
    else
      output_tail_ = std::move(response.body);
  }
  status_ = response.status;
  bytes_out_ = 0;
  written_ = 0;
  phase_ = Phase::writing;
  set_deadline(shared_->limits.write);
  step_write();
}

void Connection::step_write() {
  for (int turn = 0; turn < kTurns; ++turn) {
    if (written_ == output_.size()) {
      if (output_tail_.empty()) return after_write();
      output_ = std::exchange(output_tail_, {});
      written_ = 0;
    }
    const auto got = tls_->write(std::string_view(output_).substr(written_));
    switch (got.status) {
      case TlsStream::Status::done:
        written_ += got.bytes;
        bytes_out_ += got.bytes;
        break;
      case TlsStream::Status::want_write:
        return await_write();
      case TlsStream::Status::want_read:
        return await_read();
      case TlsStream::Status::closed:
      case TlsStream::Status::failed:
        return close();
    }
  }
  post([this] {
    if (phase_ == Phase::writing) step_write();
  });
}

void Connection::after_write() {
  output_.clear();
  written_ = 0;
  if (std::exchange(continuing_, false)) {
    phase_ = Phase::body;
    set_deadline(shared_->limits.read);
    return step_read();
  }
  if (stream_) return pull();
  end_exchange(true);
}

void Connection::pull() {
  phase_ = Phase::pulling;
  no_deadline();
  auto pending = std::make_shared<PendingChunk>(shared_from_this(), exchange_);
  shared_->pool.submit_always([source = stream_, pending = std::move(pending), id = request_->request_id]() mutable {
    try {
      (*source)([pending](std::optional<std::string> data) { pending->deliver(std::move(data)); });
    } catch (...) {
      current_exception_response(id);  // logs; what was sent cannot be taken back, so the connection is cut
    }
  });
}

void Connection::on_chunk(std::uint64_t exchange, std::optional<std::string> data) {
  if (phase_ != Phase::pulling || exchange != exchange_) return;
  if (data && data->empty()) return pull();
  if (data)
    output_ = chunked_ ? wire::serialize_chunk(*data) : std::move(*data);
  else
    output_ = chunked_ ? wire::last_chunk() : std::string_view();
  if (!data) drop_stream();
  written_ = 0;
  phase_ = Phase::writing;
  set_deadline(shared_->limits.write);
  step_write();
}

/// The source may hold a database cursor: its end does not belong on an I/O thread.
void Connection::drop_stream() {
  if (stream_) shared_->pool.submit_always([source = std::exchange(stream_, nullptr)] {});
}

void Connection::end_exchange(bool complete) {
  Exchange result;
  result.status = status_;
  result.bytes_out = bytes_out_;
  result.duration = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - request_->received);
  result.complete = complete;
  shared_->application.finished(*request_, result);
  --shared_->busy;
  const bool unread = !parser_ || parser_->state() != wire::RequestParser::State::complete || !input_.empty();
  request_.reset();
  parser_.reset();
  drop_stream();
  status_ = 0;
  served_ = true;
  if (!complete) return;
  if (keep_alive_)
    become_idle();
  else
    begin_close(unread);
}

}  // namespace certctl::http
