#pragma once

#include <openssl/types.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace certctl::http {

/// The server's side of one TLS connection, directly on a non-blocking descriptor (15 kB an idle connection where
/// asio::ssl::stream takes 74). Says what it waits for; the caller waits. Not thread-safe.
class TlsStream {
 public:
  enum class Status { done, want_read, want_write, closed, failed };
  struct Outcome {
    Status status;
    std::size_t bytes = 0;
  };

  /// Takes the descriptor over: closed on destruction.
  TlsStream(const std::shared_ptr<SSL_CTX>& context, int descriptor);
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  Status handshake();
  /// `closed`: the peer sent close_notify, or its end of the connection is gone.
  Outcome read(std::span<char> out);
  Outcome write(std::string_view bytes);
  /// Sends close_notify once and ends our direction; never waits for the peer's.
  void finish();

  int descriptor() const { return descriptor_; }

 private:
  Status status_of(int result);

  struct Free {
    void operator()(SSL* ssl) const;
  };
  std::unique_ptr<SSL, Free> ssl_;
  int descriptor_;
  bool broken_ = false;  ///< after a fatal error SSL_shutdown must not be called
};

}  // namespace certctl::http
