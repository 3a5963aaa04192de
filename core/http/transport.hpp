#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/http/client.hpp"

namespace Poco::Net {
class StreamSocket;
class SecureStreamSocket;
}  // namespace Poco::Net

/// The outbound client's connections: Poco's sockets and TLS, with a deadline on every step.
namespace certctl::http {

using Deadline = std::chrono::steady_clock::time_point;

/// Descriptors that cancel() shuts down. A registration ends before its descriptor is closed, so that a reused number
/// is never hit.
class Cancellation::State {
 public:
  void cancel();
  bool cancelled() const;
  void enter(int descriptor);
  void leave(int descriptor);

 private:
  mutable std::mutex mutex_;
  bool cancelled_ = false;
  std::multiset<int> descriptors_;
};

/// Trust and identity of a client, made once.
class ClientTls {
 public:
  /// Throws Error(invalid).
  explicit ClientTls(const ClientOptions& options);
  ~ClientTls();

  struct Context;
  const Context& context() const { return *context_; }

 private:
  std::unique_ptr<Context> context_;
};

/// One connection to one origin. Not thread-safe, except through Cancellation.
class Transport {
 public:
  struct Target {
    Url url;
    std::vector<IpAddress> addresses;  ///< checked; tried in order
    std::string proxy_url;             ///< empty: direct
  };
  /// Connects, and for https shakes hands and checks chain and name. Throws ClientError with bytes_sent() false.
  Transport(const Target& target, const ClientTls& tls, const ClientTimeouts& timeouts, Deadline total,
            Cancellation::State* cancellation);
  ~Transport();

  enum class Io { done, timeout, lost };
  Io send(std::string_view bytes, Deadline deadline);
  /// `bytes` 0 with `done`: the peer ended its direction in order.
  Io receive(std::span<char> out, Deadline deadline, std::size_t& bytes);
  /// Nothing waits to be read: a kept connection has neither been closed nor spoken on.
  bool quiet() const;
  int descriptor() const;

 private:
  void connect(const std::vector<IpAddress>& addresses, std::uint16_t port, const std::string& name, Deadline deadline,
               Cancellation::State* cancellation);
  void open_tunnel(const Url& url, Deadline deadline);
  void secure(const Url& url, const ClientTls& tls, Deadline deadline);
  void secure_checked(const Url& url, const ClientTls& tls, Deadline deadline);
  bool wait(bool writable, Deadline deadline) const;

  std::unique_ptr<Poco::Net::StreamSocket> socket_;
};

/// Keeps a descriptor registered for one exchange.
class CancellationGuard {
 public:
  CancellationGuard(Cancellation::State* state, int descriptor);
  ~CancellationGuard();
  CancellationGuard(const CancellationGuard&) = delete;
  CancellationGuard& operator=(const CancellationGuard&) = delete;

 private:
  Cancellation::State* state_;
  int descriptor_;
};

}  // namespace certctl::http
