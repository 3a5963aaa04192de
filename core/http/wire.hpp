#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/http/request.hpp"
#include "core/http/response.hpp"

/// HTTP/1.1 on the wire (RFC 9112). Beast stands behind this header and nowhere else.
namespace certctl::http::wire {

struct Fault {
  int status = 400;
  std::string message;
};

/// Reads one request from bytes that the caller buffers. A value for one request; made anew for the next.
class RequestParser {
 public:
  explicit RequestParser(std::uint64_t header_limit);
  ~RequestParser();

  enum class State { head, head_done, body, complete, failed };
  State state() const { return state_; }

  /// Takes what it can and returns how many bytes it took; the rest must be offered again, with more behind it. Stops
  /// at the end of the head until allow_body() and at the end of the request: what follows belongs to the next one.
  std::size_t feed(std::string_view bytes);
  /// After the head: how long the body may be. Fails with 413 when Content-Length says more.
  void allow_body(std::uint64_t limit);

  const Fault& fault() const { return fault_; }

  /// Moves method, target and fields into `request`. Fails with a Fault for what the parser lets pass and RFC 9112 does
  /// not: Host missing, twice or malformed; other transfer codings than chunked; versions other than 1.0 and 1.1.
  void take_head(Request& request);
  std::string take_body();

  bool keep_alive() const { return keep_alive_; }
  bool expects_continue() const { return expects_continue_; }
  bool has_body() const { return has_body_; }
  /// HTTP/1.0: no chunked answers.
  bool old_version() const { return old_version_; }

 private:
  struct Beast;
  void fail(int status, std::string message);
  void check_head(const Request& request);
  bool set_target(Request& request, std::string_view target);

  std::unique_ptr<Beast> beast_;
  State state_ = State::head;
  Fault fault_;
  std::uint64_t header_limit_;
  bool keep_alive_ = false;
  bool expects_continue_ = false;
  bool has_body_ = false;
  bool old_version_ = false;
};

/// Reads one answer, for the outbound client. Interim answers (1xx) are skipped.
class ResponseParser {
 public:
  /// `head_request`: the answer has no body whatever its fields say.
  ResponseParser(std::uint64_t header_limit, std::uint64_t body_limit, bool head_request);
  ~ResponseParser();

  enum class State { head, body, complete, failed };
  State state() const { return state_; }

  /// As RequestParser::feed().
  std::size_t feed(std::string_view bytes);
  /// The peer has ended its direction: completes a body without length, fails everything else that is not complete.
  void end_of_stream();

  /// `status` 413: the body is over the limit; anything else: malformed or truncated.
  const Fault& fault() const { return fault_; }
  bool started() const { return started_; }
  bool keep_alive() const;
  int status() const;
  Headers headers() const;
  std::string take_body();

 private:
  struct Beast;
  void reset();
  void fail(int status, std::string message);

  std::unique_ptr<Beast> beast_;
  State state_ = State::head;
  Fault fault_;
  std::uint64_t header_limit_;
  std::uint64_t body_limit_;
  bool head_request_;
  bool started_ = false;
};

/// Status line and fields, as they are in `response`.
std::string serialize_head(const Response& response);
/// Request line and fields. `method` must be a token, `target` free of blanks and control characters.
std::string serialize_request_head(std::string_view method, std::string_view target, const Headers& headers);
std::string serialize_chunk(std::string_view data);
std::string_view last_chunk();
/// `HTTP/1.1 100 Continue`.
std::string_view continue_line();

}  // namespace certctl::http::wire
