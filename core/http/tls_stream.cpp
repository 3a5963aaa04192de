#include "core/http/tls_stream.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/error.hpp"

namespace certctl::http {

void TlsStream::Free::operator()(SSL* ssl) const { ::SSL_free(ssl); }

TlsStream::TlsStream(const std::shared_ptr<SSL_CTX>& context, int descriptor)
    : ssl_(::SSL_new(context.get())), descriptor_(descriptor) {
  if (!ssl_ || ::SSL_set_fd(ssl_.get(), descriptor) != 1) {
    ::close(descriptor);
    throw internal("TLS state cannot be made");
  }
  ::SSL_set_accept_state(ssl_.get());
}

TlsStream::~TlsStream() {
  ssl_.reset();
  ::close(descriptor_);
}

TlsStream::Status TlsStream::status_of(int result) {
  switch (::SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Status::want_read;
    case SSL_ERROR_WANT_WRITE:
      return Status::want_write;
    case SSL_ERROR_ZERO_RETURN:
      return Status::closed;
    default:
      broken_ = true;
      ::ERR_clear_error();
      return Status::failed;
  }
}

// A stale entry of the thread's error queue would turn WANT_READ into a failure of another connection.

TlsStream::Status TlsStream::handshake() {
  ::ERR_clear_error();
  const int result = ::SSL_accept(ssl_.get());
  return result == 1 ? Status::done : status_of(result);
}

TlsStream::Outcome TlsStream::read(std::span<char> out) {
  ::ERR_clear_error();
  std::size_t bytes = 0;
  const int result = ::SSL_read_ex(ssl_.get(), out.data(), out.size(), &bytes);
  return result == 1 ? Outcome{Status::done, bytes} : Outcome{status_of(result)};
}

TlsStream::Outcome TlsStream::write(std::string_view bytes) {
  ::ERR_clear_error();
  std::size_t written = 0;
  const int result = ::SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written);
  return result == 1 ? Outcome{Status::done, written} : Outcome{status_of(result)};
}

void TlsStream::finish() {
  if (!broken_ && ::SSL_is_init_finished(ssl_.get()) == 1) {
    ::ERR_clear_error();
    ::SSL_shutdown(ssl_.get());
    ::ERR_clear_error();
  }
  ::shutdown(descriptor_, SHUT_WR);
}

}  // namespace certctl::http
