#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/base/error.hpp"
#include "core/base/secret.hpp"
#include "core/http/headers.hpp"
#include "core/http/ssrf.hpp"

namespace certctl::http {

struct ClientTimeouts {
  std::chrono::milliseconds connect{10'000};  ///< TCP, and again TLS
  std::chrono::milliseconds header{10'000};   ///< from the last byte sent to the whole head of the answer
  std::chrono::milliseconds total{30'000};    ///< from send() to the last byte of the body
};

/// The default is the guarded client: no keep-alive, no redirects, no proxy, system roots.
struct ClientOptions {
  AddressPolicy policy;
  Resolver resolver;            ///< empty: the system's
  std::string ca_bundle_path;   ///< PEM; replaces the system roots
  std::string ca_bundle_pem;    ///< the same, as text
  std::string client_cert_pem;  ///< chain, leaf first
  Secret client_key_pem;
  bool tls13_only = false;           ///< else 1.2 and up
  bool verify_peer = true;           ///< false only behind the documented insecure switches
  std::string proxy_url;             ///< `http://proxy:3128`; never used by guarded clients
  std::string user_agent;            ///< empty: `certctl/<version>`
  bool keep_alive = false;           ///< reuse connections; not for guarded clients
  std::size_t idle_connections = 8;  ///< kept at most, 90 s each
  int redirects = 0;                 ///< followed for GET and HEAD, each hop checked again
  ClientTimeouts timeouts;
  std::uint64_t max_body = 1024 * 1024;
};

/// Ends requests from another thread: shared by value.
class Cancellation {
 public:
  Cancellation();
  /// Every request that runs with this object fails with Failure::cancelled, later ones at once.
  void cancel() const;
  bool cancelled() const;

  class State;
  const std::shared_ptr<State>& state() const { return state_; }

 private:
  std::shared_ptr<State> state_;
};

struct ClientRequest {
  std::string method = "GET";
  std::string url;
  Headers headers;
  std::string body;
  std::optional<ClientTimeouts> timeouts;
  std::optional<std::uint64_t> max_body;
  std::optional<Cancellation> cancellation;
};

struct ClientResponse {
  int status = 0;
  Headers headers;
  std::string body;
  std::string url;  ///< after redirects
};

enum class Failure {
  bad_url,
  address_refused,  ///< the guard
  resolve,
  connect,  ///< TCP or proxy
  tls,      ///< handshake, name or chain
  timeout,
  no_answer,  ///< the connection ended before a complete answer
  malformed_answer,
  too_large,
  cancelled,
};
std::string_view to_text(Failure failure);

/// No status was received. `bytes_sent()` false: the peer cannot have acted, a retry is safe.
class ClientError : public Error {
 public:
  ClientError(Failure failure, bool bytes_sent, const std::string& message);
  Failure failure() const { return failure_; }
  bool bytes_sent() const { return bytes_sent_; }

 private:
  Failure failure_;
  bool bytes_sent_;
};

/// Outbound HTTP(S)/1.1. Thread-safe; one request at a time on each connection.
class Client {
 public:
  /// Throws Error(invalid): bundle or client certificate unreadable or not a pair, options that contradict each other.
  explicit Client(ClientOptions options);
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  /// Any status is an answer; a ClientError is thrown when there is none.
  ClientResponse send(const ClientRequest& request);
  /// Closes idle connections (after the CA bundle or the address changed).
  void close_idle();

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace certctl::http
