#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "core/http/request.hpp"
#include "core/http/response.hpp"

namespace certctl::http {

/// How an exchange ended, for logs, metrics and audit.
struct Exchange {
  int status = 0;  ///< 0: the client left before there was an answer
  std::uint64_t bytes_out = 0;
  std::chrono::microseconds duration{};
  bool complete = false;  ///< the whole answer was handed to the kernel
};

/// What a listener drives: see Chain for the one that certctl uses. All functions may be called from several threads at
/// once, for different requests.
class Application {
 public:
  virtual ~Application() = default;

  /// The head has been read. I/O thread: must not block. Sets route and body_limit (0: the listener's own); an
  /// answer refuses the request before its body is read.
  virtual std::optional<Response> on_head(Request& request) = 0;
  /// Pool thread, before the body is read: authentication and what follows from it.
  virtual std::optional<Response> admit(Request& request) = 0;
  /// Pool thread, body complete.
  virtual void handle(std::shared_ptr<Request> request, Reply reply) = 0;
  /// Every answer passes here before it is written, those of the listener itself (400, 408, 413, 503) included.
  virtual void decorate(const Request& request, Response& response) = 0;
  virtual void finished(const Request& request, const Exchange& exchange) = 0;
  /// Own lane in the pool.
  virtual bool urgent(const Request& request) const = 0;
};

}  // namespace certctl::http
