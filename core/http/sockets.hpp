#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/http/address.hpp"

/// Listening sockets and process-wide limits, on plain descriptors.
namespace certctl::http {

/// A listening, non-blocking TCP socket. Closed on destruction.
class Listener {
 public:
  /// Takes over a descriptor that already listens.
  explicit Listener(int descriptor);
  Listener(Listener&& other) noexcept;
  Listener& operator=(Listener&&) = delete;
  ~Listener();

  /// Every address of `host`; with port 0 the kernel chooses one that all of them share. Throws Error(invalid).
  static std::vector<Listener> open(const std::vector<std::string>& hosts, std::uint16_t port);

  int descriptor() const { return descriptor_; }
  std::uint16_t port() const;
  /// `127.0.0.1:8443`, `[::1]:8443`.
  std::string address() const;

  struct Accepted {
    int descriptor = -1;  ///< non-blocking, TCP_NODELAY; < 0: see `error`
    IpAddress peer;
    int error = 0;  ///< errno; EAGAIN: nobody waits
  };
  Accepted accept() const;
  void close();

 private:
  int descriptor_;
};

/// Raises RLIMIT_NOFILE to its hard limit and returns it.
std::size_t raise_descriptor_limit();

}  // namespace certctl::http
