#include "core/http/wire.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/http/chunk_encode.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/string_body.hpp>

#include <algorithm>

#include "core/base/error.hpp"
#include "core/base/text.hpp"

namespace certctl::http::wire {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;

constexpr std::size_t kMostFields = 128;

/// Host is a name, an address or a bracketed address with an optional port (RFC 9110 §7.2); only its alphabet is
/// checked.
bool is_host(std::string_view host) {
  return !host.empty() && std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_' || c == ':' || c == '[' || c == ']';
  });
}

Fault fault_of(const boost::system::error_code& code) {
  using beast::http::error;
  if (code == error::header_limit) return {431, "request header fields are too large"};
  if (code == error::body_limit) return {413, "request body too large"};
  if (code == error::bad_version) return {505, "HTTP/1.1 is expected"};
  if (code == error::bad_transfer_encoding || code == error::bad_content_length ||
      code == error::multiple_content_length) {
    return {400, "contradicting or malformed Content-Length or Transfer-Encoding"};
  }
  return {400, "malformed HTTP request"};
}

}  // namespace

struct RequestParser::Beast {
  beast::http::request_parser<beast::http::string_body> parser;
};

RequestParser::RequestParser(std::uint64_t header_limit)
    : beast_(std::make_unique<Beast>()), header_limit_(header_limit) {
  beast_->parser.header_limit(std::uint32_t(header_limit));
  beast_->parser.body_limit(boost::none);  // known only when the route is; allow_body() sets it
}

RequestParser::~RequestParser() = default;

void RequestParser::fail(int status, std::string message) {
  state_ = State::failed;
  fault_ = {status, std::move(message)};
}

std::size_t RequestParser::feed(std::string_view bytes) {
  auto& parser = beast_->parser;
  std::size_t taken = 0;
  while ((state_ == State::head || state_ == State::body) && taken < bytes.size()) {
    boost::system::error_code error;
    const std::size_t step = parser.put(asio::const_buffer(bytes.data() + taken, bytes.size() - taken), error);
    taken += step;
    if (error == beast::http::error::need_more) {
      // Chunk extensions and trailers have no limit of their own in the parser.
      if (bytes.size() - taken > header_limit_)
        fail(state_ == State::head ? 431 : 400, "request header fields are too large");
      break;
    }
    if (error) {
      const auto fault = fault_of(error);
      fail(fault.status, fault.message);
      break;
    }
    if (state_ == State::head && parser.is_header_done()) state_ = State::head_done;
    if (state_ == State::body && parser.is_done()) state_ = State::complete;
    if (step == 0) break;
  }
  return taken;
}

void RequestParser::take_head(Request& request) {
  auto& message = beast_->parser.get();
  request.method = std::string(message.method_string());
  std::size_t fields = 0;
  for (const auto& field : message) {
    if (++fields > kMostFields) return fail(431, "too many request header fields");
    request.headers.add({field.name_string().data(), field.name_string().size()},
                        {field.value().data(), field.value().size()});
  }
  keep_alive_ = beast_->parser.keep_alive();
  old_version_ = message.version() == 10;
  if (message.version() != 10 && message.version() != 11) return fail(505, "HTTP/1.1 is expected");
  const auto length = beast_->parser.content_length();
  has_body_ = beast_->parser.chunked() || (length && *length != 0);
  if (!set_target(request, {message.target().data(), message.target().size()})) return;
  check_head(request);
}

/// Origin form, absolute form (RFC 9112 §3.2.2: a server must accept it), and `*` for OPTIONS.
bool RequestParser::set_target(Request& request, std::string_view target) {
  if (starts_with_ignore_case(target, "https://") || starts_with_ignore_case(target, "http://")) {
    const auto path = target.find('/', target.find("//") + 2);
    target = path == std::string_view::npos ? "/" : target.substr(path);
  } else if (target == "*" && request.method == "OPTIONS") {
    target = "/";
  }
  if (target.empty() || target.front() != '/') {
    fail(400, "malformed request target");
    return false;
  }
  const auto question = target.find('?');
  request.path = target.substr(0, question);
  if (question != std::string_view::npos) request.raw_query = target.substr(question + 1);
  request.query = Query(request.raw_query);
  return true;
}

void RequestParser::check_head(const Request& request) {
  const auto hosts = request.headers.count("Host");
  if (hosts > 1 || (hosts == 0 && !old_version_)) return fail(400, "exactly one Host header is expected");
  if (hosts == 1 && !is_host(request.headers.get("Host"))) return fail(400, "malformed Host header");
  const bool coded = request.headers.has("Transfer-Encoding");
  if (coded && request.headers.has("Content-Length"))
    return fail(400, "Content-Length together with Transfer-Encoding");
  if (coded && old_version_) return fail(400, "Transfer-Encoding needs HTTP/1.1");
  if (coded && !(request.headers.count("Transfer-Encoding") == 1 &&
                 equal_ignore_case(request.headers.get("Transfer-Encoding"), "chunked"))) {
    return fail(501, "only the chunked transfer coding is supported");
  }
  const auto expect = request.headers.get("Expect");
  expects_continue_ = equal_ignore_case(expect, "100-continue") && has_body_ && !old_version_;
  if (!expect.empty() && !equal_ignore_case(expect, "100-continue")) fail(417, "only 100-continue can be expected");
}

void RequestParser::allow_body(std::uint64_t limit) {
  if (state_ != State::head_done) return;
  auto& parser = beast_->parser;
  const auto length = parser.content_length();
  if (length && *length > limit) return fail(413, "request body too large");
  if (!has_body_) {
    state_ = State::complete;
    return;
  }
  parser.body_limit(limit);
  parser.eager(true);
  state_ = parser.is_done() ? State::complete : State::body;
}

std::string RequestParser::take_body() { return std::move(beast_->parser.get().body()); }

struct ResponseParser::Beast {
  std::optional<beast::http::response_parser<beast::http::string_body>> parser;
};

ResponseParser::ResponseParser(std::uint64_t header_limit, std::uint64_t body_limit, bool head_request)
    : beast_(std::make_unique<Beast>()),
      header_limit_(header_limit),
      body_limit_(body_limit),
      head_request_(head_request) {
  reset();
}

ResponseParser::~ResponseParser() = default;

void ResponseParser::reset() {
  auto& parser = beast_->parser.emplace();
  parser.header_limit(std::uint32_t(header_limit_));
  parser.body_limit(body_limit_);
  parser.skip(head_request_);
}

void ResponseParser::fail(int status, std::string message) {
  state_ = State::failed;
  fault_ = {status, std::move(message)};
}

std::size_t ResponseParser::feed(std::string_view bytes) {
  std::size_t taken = 0;
  while ((state_ == State::head || state_ == State::body) && taken < bytes.size()) {
    started_ = true;
    auto& parser = *beast_->parser;
    boost::system::error_code error;
    const std::size_t step = parser.put(asio::const_buffer(bytes.data() + taken, bytes.size() - taken), error);
    taken += step;
    if (error && error != beast::http::error::need_more) {
      const auto fault = fault_of(error);
      fail(fault.status, error.message());
      break;
    }
    if (state_ == State::head && parser.is_header_done()) {
      const int status = int(parser.get().result_int());
      if (status < 200 && status != 101) {
        reset();
        continue;
      }
      parser.eager(true);
      state_ = State::body;
    }
    if (state_ == State::body && parser.is_done()) state_ = State::complete;
    if (error == beast::http::error::need_more || step == 0) {
      if (bytes.size() - taken > header_limit_) fail(400, "header fields are too large");
      break;
    }
  }
  return taken;
}

void ResponseParser::end_of_stream() {
  if (state_ != State::body && state_ != State::head) return;
  boost::system::error_code error;
  if (state_ == State::body) beast_->parser->put_eof(error);
  if (state_ == State::head || error || !beast_->parser->is_done()) return fail(400, "the answer is cut off");
  state_ = State::complete;
}

bool ResponseParser::keep_alive() const { return state_ == State::complete && beast_->parser->keep_alive(); }

int ResponseParser::status() const { return int(beast_->parser->get().result_int()); }

Headers ResponseParser::headers() const {
  Headers headers;
  for (const auto& field : beast_->parser->get()) {
    headers.add({field.name_string().data(), field.name_string().size()}, {field.value().data(), field.value().size()});
  }
  return headers;
}

std::string ResponseParser::take_body() { return std::move(beast_->parser->get().body()); }

namespace {

template <typename Message>
void add_fields(Message& head, const Headers& headers) {
  for (const auto& field : headers) head.insert(field.name, field.value);
}

template <bool IsRequest>
std::string serialize(beast::http::message<IsRequest, beast::http::empty_body>& head) {
  beast::http::serializer<IsRequest, beast::http::empty_body> serializer(head);
  serializer.split(true);
  std::string bytes;
  boost::system::error_code error;
  while (!error && !serializer.is_header_done()) {
    serializer.next(error, [&](boost::system::error_code&, const auto& buffers) {
      for (const auto buffer : beast::buffers_range_ref(buffers))
        bytes.append(static_cast<const char*>(buffer.data()), buffer.size());
      serializer.consume(beast::buffer_bytes(buffers));
    });
  }
  if (error) throw internal("HTTP head cannot be written: " + error.message());
  return bytes;
}

}  // namespace

std::string serialize_head(const Response& response) {
  beast::http::response<beast::http::empty_body> head;
  head.version(11);
  head.result(unsigned(response.status));
  const auto reason = reason_phrase(response.status);
  head.reason(beast::string_view(reason.data(), reason.size()));
  add_fields(head, response.headers);
  return serialize(head);
}

std::string serialize_request_head(std::string_view method, std::string_view target, const Headers& headers) {
  beast::http::request<beast::http::empty_body> head;
  head.version(11);
  head.method_string(beast::string_view(method.data(), method.size()));
  head.target(beast::string_view(target.data(), target.size()));
  add_fields(head, headers);
  return serialize(head);
}

std::string serialize_chunk(std::string_view data) {
  return beast::buffers_to_string(beast::http::make_chunk(asio::const_buffer(data.data(), data.size())));
}

std::string_view last_chunk() { return "0\r\n\r\n"; }

std::string_view continue_line() { return "HTTP/1.1 100 Continue\r\n\r\n"; }

}  // namespace certctl::http::wire
