#include "core/http/client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <list>
#include <mutex>

#include "core/base/build_info.hpp"
#include "core/base/text.hpp"
#include "core/http/transport.hpp"
#include "core/http/wire.hpp"

namespace certctl::http {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::uint64_t kHeaderLimit = 64 * 1024;
constexpr std::chrono::seconds kIdleLife{90};  // the server's side is 120 s: the client closes first

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
}

/// RFC 9110 §9.2.2: may be sent again when a kept connection turns out to be dead.
bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" || method == "OPTIONS";
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

Url parse_target(const std::string& text) {
  try {
    return parse_url(text);
  } catch (const Error& error) {
    throw ClientError(Failure::bad_url, false, error.what());
  }
}

Url follow(const Url& from, std::string_view location) {
  if (location.empty()) throw ClientError(Failure::malformed_answer, true, "a redirect without a Location");
  if (location.starts_with("//")) return parse_target(from.scheme + ":" + std::string(location));
  if (location.front() == '/') return parse_target(from.origin() + std::string(location));
  if (location.find("://") == std::string_view::npos) {
    const auto folder = from.target.substr(0, from.target.find('?'));
    return parse_target(from.origin() + folder.substr(0, folder.rfind('/') + 1) + std::string(location));
  }
  return parse_target(std::string(location));
}

ErrorKind kind_of(Failure failure) {
  return failure == Failure::bad_url || failure == Failure::address_refused ? ErrorKind::invalid : ErrorKind::upstream;
}

}  // namespace

std::string_view to_text(Failure failure) {
  switch (failure) {
    case Failure::bad_url:
      return "bad_url";
    case Failure::address_refused:
      return "address_refused";
    case Failure::resolve:
      return "resolve";
    case Failure::connect:
      return "connect";
    case Failure::tls:
      return "tls";
    case Failure::timeout:
      return "timeout";
    case Failure::no_answer:
      return "no_answer";
    case Failure::malformed_answer:
      return "malformed_answer";
    case Failure::too_large:
      return "too_large";
    case Failure::cancelled:
      return "cancelled";
  }
  return "no_answer";
}

ClientError::ClientError(Failure failure, bool bytes_sent, const std::string& message)
    : Error(Error(kind_of(failure), message).with_code(std::string(to_text(failure)))),
      failure_(failure),
      bytes_sent_(bytes_sent) {}

Cancellation::Cancellation() : state_(std::make_shared<State>()) {}
void Cancellation::cancel() const { state_->cancel(); }
bool Cancellation::cancelled() const { return state_->cancelled(); }

class Client::Implementation {
 public:
  explicit Implementation(ClientOptions options) : options_(std::move(options)), tls_(options_) {
    if (!options_.resolver) options_.resolver = system_resolver();
    if (options_.user_agent.empty()) options_.user_agent = std::string("certctl/") + build_info().version;
    const bool guarded = options_.policy.guard() == Guard::guarded;
    if (guarded && !options_.proxy_url.empty()) throw invalid("a guarded HTTP client must not use a proxy");
    if (guarded && options_.keep_alive) throw invalid("a guarded HTTP client must not keep connections");
  }

  ClientResponse send(const ClientRequest& request) {
    if (!is_token(request.method)) throw invalid("malformed HTTP method");
    const Exchange exchange{request, request.timeouts.value_or(options_.timeouts),
                            request.max_body.value_or(options_.max_body),
                            request.cancellation ? request.cancellation->state().get() : nullptr,
                            SteadyClock::now() + request.timeouts.value_or(options_.timeouts).total};
    Url url = parse_target(request.url);
    const std::string origin = url.origin();
    const bool follows = request.method == "GET" || request.method == "HEAD";
    for (int hop = 0;; ++hop) {
      ClientResponse response = send_to(url, exchange, url.origin() == origin);
      if (!follows || hop >= options_.redirects || !is_redirect(response.status)) return response;
      url = follow(url, response.headers.get("Location"));
    }
  }

  void close_idle() {
    std::scoped_lock lock(mutex_);
    idle_.clear();
  }

 private:
  struct Exchange {
    const ClientRequest& request;
    ClientTimeouts timeouts;
    std::uint64_t max_body;
    Cancellation::State* cancellation;
    Deadline deadline;
  };
  struct Idle {
    std::string origin;
    std::unique_ptr<Transport> transport;
    SteadyClock::time_point since;
  };
  /// What became of one try on one connection.
  struct Attempt {
    std::optional<ClientResponse> response;
    bool keep = false;
    bool answer_started = false;
    Failure failure = Failure::no_answer;
    std::string message;
  };

  ClientResponse send_to(const Url& url, const Exchange& exchange, bool same_origin) {
    const std::string bytes = serialize(url, exchange.request, same_origin);
    if (auto transport = take_idle(url.origin())) {
      auto attempt = attempt_on(*transport, url, exchange, bytes);
      if (attempt.response) return finish(url, std::move(attempt), std::move(transport));
      const bool stale =
          attempt.failure == Failure::no_answer && !attempt.answer_started && is_idempotent(exchange.request.method);
      if (!stale) throw ClientError(attempt.failure, true, attempt.message);
    }
    auto transport = dial(url, exchange);
    auto attempt = attempt_on(*transport, url, exchange, bytes);
    if (!attempt.response) throw ClientError(attempt.failure, true, attempt.message);
    return finish(url, std::move(attempt), std::move(transport));
  }

  std::string serialize(const Url& url, const ClientRequest& request, bool same_origin) const {
    Headers headers;
    headers.add("Host", url.authority());
    headers.add("User-Agent", options_.user_agent);
    headers.add("Accept", "*/*");
    const auto travels = [&](const Headers::Field& field) {
      for (const char* ours : {"Content-Length", "Transfer-Encoding", "Connection"}) {
        if (equal_ignore_case(field.name, ours)) return false;
      }
      // A credential must not go where a redirect points.
      return same_origin ||
             !(equal_ignore_case(field.name, "Authorization") || equal_ignore_case(field.name, "Cookie"));
    };
    for (const auto& field : request.headers) {
      if (travels(field)) headers.remove(field.name);
    }
    for (const auto& field : request.headers) {
      if (travels(field)) headers.add(field.name, field.value);
    }
    const bool sends_body =
        !request.body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
    if (sends_body) headers.set("Content-Length", std::to_string(request.body.size()));
    if (!options_.keep_alive) headers.set("Connection", "close");
    const bool through_proxy = !options_.proxy_url.empty() && !url.secure();
    return wire::serialize_request_head(request.method, through_proxy ? url.origin() + url.target : url.target,
                                        headers) +
           request.body;
  }

  std::unique_ptr<Transport> dial(const Url& url, const Exchange& exchange) {
    if (exchange.cancellation != nullptr && exchange.cancellation->cancelled()) {
      throw ClientError(Failure::cancelled, false, "the request was cancelled");
    }
    try {
      std::vector<IpAddress> addresses;
      if (options_.proxy_url.empty()) {
        addresses = resolve_checked(url.host, options_.policy, options_.resolver);
      } else {
        static const AddressPolicy kAnywhere(Guard::none, {}, {});
        addresses = resolve_checked(parse_url(options_.proxy_url).host, kAnywhere, options_.resolver);
      }
      return std::make_unique<Transport>(Transport::Target{url, std::move(addresses), options_.proxy_url}, tls_,
                                         exchange.timeouts, exchange.deadline, exchange.cancellation);
    } catch (const ClientError&) {
      throw;
    } catch (const Error& error) {
      throw ClientError(error.code() == "address_refused" ? Failure::address_refused : Failure::resolve, false,
                        error.what());
    }
  }

  Attempt attempt_on(Transport& transport, const Url& url, const Exchange& exchange, const std::string& bytes) {
    const CancellationGuard guard(exchange.cancellation, transport.descriptor());
    Attempt attempt;
    const auto fail = [&](Failure failure, std::string_view why) {
      const bool cancelled = exchange.cancellation != nullptr && exchange.cancellation->cancelled();
      attempt.failure = cancelled ? Failure::cancelled : failure;
      attempt.message = cancelled ? "the request was cancelled" : fmt::format("{}: {}", url.authority(), why);
    };
    // A peer that refuses a large body may answer and close before it has read all of it: look for that answer.
    if (transport.send(bytes, exchange.deadline) == Transport::Io::timeout) {
      fail(Failure::timeout, "the request could not be sent in time");
      return attempt;
    }
    wire::ResponseParser parser(kHeaderLimit, exchange.max_body, exchange.request.method == "HEAD");
    const auto head_deadline = std::min(exchange.deadline, SteadyClock::now() + exchange.timeouts.header);
    std::string buffer;
    std::array<char, 16 * 1024> chunk;
    using State = wire::ResponseParser::State;
    while (parser.state() == State::head || parser.state() == State::body) {
      std::size_t got = 0;
      const auto io = transport.receive(chunk, parser.state() == State::head ? head_deadline : exchange.deadline, got);
      if (io == Transport::Io::timeout) {
        fail(Failure::timeout,
             parser.state() == State::head ? "no answer in time" : "the answer was not complete in time");
        return attempt;
      }
      if (io == Transport::Io::lost) {
        fail(Failure::no_answer, "the connection was lost before the answer was complete");
        return attempt;
      }
      if (got == 0) {
        parser.end_of_stream();
      } else {
        buffer.append(chunk.data(), got);
        buffer.erase(0, parser.feed(buffer));
      }
      attempt.answer_started = parser.started();
      if (got == 0 && parser.state() == State::failed) {
        fail(Failure::no_answer, "the connection was closed before the answer was complete");
        return attempt;
      }
    }
    if (parser.state() == State::failed) {
      if (parser.fault().status == 413)
        fail(Failure::too_large, fmt::format("the answer is larger than {} bytes", exchange.max_body));
      else
        fail(Failure::malformed_answer, "not a well-formed HTTP answer");
      return attempt;
    }
    attempt.keep = parser.keep_alive() && buffer.empty();
    attempt.response = ClientResponse{parser.status(), parser.headers(), parser.take_body(), url.origin() + url.target};
    return attempt;
  }

  ClientResponse finish(const Url& url, Attempt attempt, std::unique_ptr<Transport> transport) {
    if (options_.keep_alive && attempt.keep) {
      std::scoped_lock lock(mutex_);
      idle_.push_front({url.origin(), std::move(transport), SteadyClock::now()});
      while (idle_.size() > options_.idle_connections) idle_.pop_back();
    }
    return std::move(*attempt.response);
  }

  std::unique_ptr<Transport> take_idle(const std::string& origin) {
    std::scoped_lock lock(mutex_);
    const auto oldest = SteadyClock::now() - kIdleLife;
    std::erase_if(idle_, [&](const Idle& idle) { return idle.since < oldest || !idle.transport->quiet(); });
    const auto found = std::ranges::find_if(idle_, [&](const Idle& idle) { return idle.origin == origin; });
    if (found == idle_.end()) return nullptr;
    auto transport = std::move(found->transport);
    idle_.erase(found);
    return transport;
  }

  ClientOptions options_;
  ClientTls tls_;
  std::mutex mutex_;
  std::list<Idle> idle_;
};

Client::Client(ClientOptions options) : implementation_(std::make_unique<Implementation>(std::move(options))) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

ClientResponse Client::send(const ClientRequest& request) { return implementation_->send(request); }
void Client::close_idle() { implementation_->close_idle(); }

}  // namespace certctl::http
