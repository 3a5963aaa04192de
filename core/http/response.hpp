#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/http/headers.hpp"

namespace certctl::http {

/// Receives the next chunk: nullopt ends the body. Called at most once, from any thread; dropped without a call, the
/// connection is cut, so that the client sees a truncation instead of a complete answer.
using Deliver = std::function<void(std::optional<std::string>)>;

/// Asked for a chunk each time the previous one has been written (that is the back-pressure), on a pool thread. It may
/// answer at once, or keep `deliver` and answer later. Throwing cuts the connection.
using ChunkSource = std::function<void(Deliver deliver)>;

struct Response {
  int status = 200;
  Headers headers;
  std::string body;
  ChunkSource stream;  ///< set: chunked encoding, `body` is unused
  bool close = false;  ///< end the connection after this answer

  bool streams() const { return bool(stream); }
};

/// `body` must be a JSON text; a final LF is added when missing.
Response json(int status, std::string body);
Response no_content();
Response text(int status, std::string body, std::string_view content_type = "text/plain; charset=utf-8");
/// A body that is pulled from a blocking generator: nullopt ends it.
Response stream(std::string_view content_type, std::function<std::optional<std::string>()> next);

/// RFC 9110 §15 reason phrase; "" for unknown codes.
std::string_view reason_phrase(int status);

/// Why a parked request has to be answered now.
enum class ParkEnd { deadline, draining, client_gone };

/// The way to answer one request: a value, callable from any thread. The first answer wins, later ones are ignored.
/// When the last copy goes without an answer, the client gets 500.
class Reply {
 public:
  class State;
  explicit Reply(std::shared_ptr<State> state) : state_(std::move(state)) {}

  void operator()(Response response) const;
  /// Answers with the envelope of whatever exception is in flight; for use inside `catch (...)`.
  void fail_with_current_exception() const;

  /// Waits without a thread. After `limit`, when the server drains, or when the client has gone, `end` is called once
  /// on an I/O thread: it must not block, and its answer is sent unless another was given before (`client_gone`: it is
  /// dropped). Also the place to cancel a subscription.
  void park(std::chrono::milliseconds limit, std::function<Response(ParkEnd)> end) const;

  bool answered() const;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace certctl::http
