#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/clock.hpp"
#include "core/http/application.hpp"

namespace certctl::http {

struct ServerLimits {
  std::uint64_t header_bytes = 64 * 1024;  ///< above: 431
  std::uint64_t body_bytes = 1024 * 1024;  ///< above: 413, connection closed
  std::chrono::milliseconds handshake{10'000};
  std::chrono::milliseconds read_header{5'000};  ///< from the first byte of a request
  std::chrono::milliseconds read{30'000};        ///< the body
  std::chrono::milliseconds write{120'000};      ///< an answer, or each chunk of a stream
  std::chrono::milliseconds idle{120'000};
  std::size_t connections = 16'384;      ///< bounded by RLIMIT_NOFILE, which is raised to its hard limit
  std::size_t connections_per_ip = 256;  ///< of one client, as long as it has not shown a valid credential
  std::size_t workers = 16;
  std::size_t queue = 512;     ///< waiting requests; above: 503 with Retry-After
  std::size_t io_threads = 0;  ///< 0: one a core, at most 8
};

struct ServerOptions {
  std::vector<std::string> hosts{"127.0.0.1"};  ///< IP literals or resolvable names
  std::uint16_t port = 0;                       ///< 0: the kernel chooses; see Server::port()
  std::vector<int> inherited;                   ///< listening sockets of a supervisor; replaces hosts and port
  std::string tls_cert_path;                    ///< PEM chain, leaf first
  std::string tls_key_path;                     ///< PEM, not encrypted
  std::chrono::milliseconds tls_reload_interval{60'000};  ///< file-change polling; 0: off
  ServerLimits limits;
};

/// What the listener shows now.
struct CertificateInfo {
  std::string subject;
  std::string fingerprint;  ///< SHA-256, hex
  Time not_before{};
  Time not_after{};
};

struct ServerStats {
  std::uint64_t accepted = 0;
  std::uint64_t handshakes = 0;
  std::uint64_t handshakes_failed = 0;
  std::uint64_t requests = 0;
  std::uint64_t shed_queue = 0;        ///< answered 503 because the queue was full
  std::uint64_t shed_connections = 0;  ///< closed at accept: total or per-IP limit
  std::size_t connections = 0;
  std::size_t busy = 0;  ///< requests between head and last byte, parked ones included
  std::size_t parked = 0;
  std::size_t queued = 0;  ///< waiting for a worker
  std::size_t workers_busy = 0;
};

/// HTTPS/1.1 listener, TLS 1.3 only. Event-driven: a connection costs a descriptor and some 15 kB, not a thread.
class Server {
 public:
  /// Reads the certificate pair, binds and listens; nothing is accepted before start(). Throws Error(invalid) with the
  /// cause: `server TLS cert file unreadable at "…"`, `server TLS cert/key pair invalid (…)`, `address 0.0.0.0:8443 is
  /// in use`. Ignores SIGPIPE in the whole process. `application` outlives the server.
  Server(ServerOptions options, Application& application);
  /// Drops what is left of the connections; call stop() before for a graceful end.
  ~Server();

  void start();
  /// The port that was bound, also when 0 was asked for.
  std::uint16_t port() const;
  /// `address:port` of every socket.
  std::vector<std::string> addresses() const;

  /// Reads the pair again; new handshakes use it. On failure the old pair stays and the reason is logged and returned.
  /// Empty: success.
  std::string reload_tls();
  CertificateInfo certificate() const;

  /// Every answer from now on carries `Connection: close`; idle connections are closed.
  void begin_drain();
  /// Stops accepting, lets requests finish, answers parked ones through their callbacks; what is left at the deadline
  /// is cut. Returns the number of connections that were cut. Idempotent.
  std::size_t stop(std::chrono::milliseconds limit);

  ServerStats stats() const;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace certctl::http
