#include "plugins/common/tls_probe.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include <certctl/status.hpp>

#include "plugins/common/file_access.hpp"
#include "plugins/common/openssl.hpp"

namespace certctl::common {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

Error failed(const std::string& why) { return transient("TLS probe failed: " + why); }

std::string errno_text(int code) { return std::generic_category().message(code); }

struct AddressList {
  addrinfo* first = nullptr;
  AddressList() = default;
  AddressList(const AddressList&) = delete;
  AddressList& operator=(const AddressList&) = delete;
  ~AddressList() {
    if (first != nullptr) ::freeaddrinfo(first);
  }
};

void look_up(const std::string& host, std::uint16_t port, int flags, AddressList& list) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list.first);
  if (error != 0) throw failed(host + ": " + ::gai_strerror(error));
}

/// Waits until the descriptor is ready or the deadline has passed (an error).
void await(int descriptor, short events, SteadyTime deadline, const char* doing) {
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) throw failed(std::string("timed out while ") + doing);
    pollfd waiting{descriptor, events, 0};
    const int ready = ::poll(&waiting, 1, int(left));
    if (ready > 0) return;
    if (ready < 0 && errno != EINTR) throw failed(errno_text(errno));
  }
}

Descriptor connect_to(const std::string& address, std::uint16_t port, SteadyTime deadline) {
  AddressList list;
  look_up(address, port, AI_NUMERICHOST, list);
  Descriptor socket(::socket(list.first->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.valid()) throw failed(errno_text(errno));
  if (::connect(socket.get(), list.first->ai_addr, list.first->ai_addrlen) == 0) return socket;
  if (errno != EINPROGRESS) throw failed("connect to " + Endpoint{address, port}.text() + ": " + errno_text(errno));
  await(socket.get(), POLLOUT, deadline, "connecting");
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) throw failed("connect to " + Endpoint{address, port}.text() + ": " + errno_text(error));
  return socket;
}

using Context = Owned<SSL_CTX, SSL_CTX_free>;
using Session = Owned<SSL, SSL_free>;

Context make_context(const std::string& key_type) {
  Context context(SSL_CTX_new_ex(library_context(), nullptr, TLS_client_method()));
  if (context == nullptr) throw Error(Status::internal, "TLS context: " + openssl_reason());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  // What is probed may be old: its strength is not what is asked here.
  SSL_CTX_set_security_level(context.get(), 0);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  const char* signatures = nullptr;
  const char* suites = nullptr;
  if (key_type == "RSA") {
    signatures = "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:RSA+SHA256:RSA+SHA384:RSA+SHA512";
    suites = "aRSA";
  } else if (key_type == "ECDSA") {
    signatures = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512";
    suites = "aECDSA";
  } else if (key_type == "Ed25519") {
    signatures = "ed25519";
    suites = "aECDSA";
  }
  const bool set = signatures == nullptr || (SSL_CTX_set1_sigalgs_list(context.get(), signatures) == 1 &&
                                             SSL_CTX_set_cipher_list(context.get(), suites) == 1);
  if (!set) throw Error(Status::internal, "TLS context: " + openssl_reason());
  return context;
}

void shake_hands(SSL* session, int socket, SteadyTime deadline) {
  while (true) {
    ERR_clear_error();
    const int result = SSL_connect(session);
    if (result == 1) return;
    switch (SSL_get_error(session, result)) {
      case SSL_ERROR_WANT_READ: await(socket, POLLIN, deadline, "shaking hands"); break;
      case SSL_ERROR_WANT_WRITE: await(socket, POLLOUT, deadline, "shaking hands"); break;
      case SSL_ERROR_SYSCALL: throw failed(errno != 0 ? errno_text(errno) : "the server closed the connection");
      default: throw failed(openssl_reason());
    }
  }
}

std::string fingerprint_of(const X509* certificate) {
  unsigned char* data = nullptr;
  const int size = i2d_X509(certificate, &data);
  if (size < 0) throw failed(openssl_reason());
  std::string hex = sha256_hex({reinterpret_cast<const char*>(data), std::size_t(size)});
  OPENSSL_free(data);
  return hex;
}

}  // namespace

std::vector<std::string> resolve(const Endpoint& endpoint) {
  AddressList list;
  look_up(endpoint.host, endpoint.port, AI_ADDRCONFIG, list);
  std::vector<std::string> addresses;
  for (const addrinfo* at = list.first; at != nullptr; at = at->ai_next) {
    char host[NI_MAXHOST] = "";
    if (::getnameinfo(at->ai_addr, at->ai_addrlen, host, sizeof host, nullptr, 0, NI_NUMERICHOST) == 0) {
      addresses.emplace_back(host);
    }
  }
  if (addresses.empty()) throw failed(endpoint.host + " has no address");
  return addresses;
}

Served probe(const ProbeRequest& request, const std::string& address) {
  const SteadyTime deadline = std::chrono::steady_clock::now() + request.timeout;
  const Context context = make_context(request.key_type);
  const Descriptor socket = connect_to(address, request.endpoint.port, deadline);
  const Session session(SSL_new(context.get()));
  const bool ready = session != nullptr && SSL_set_fd(session.get(), socket.get()) == 1 &&
                     (request.server_name.empty() ||
                      SSL_set_tlsext_host_name(session.get(), request.server_name.c_str()) == 1);
  if (!ready) throw Error(Status::internal, "TLS session: " + openssl_reason());
  shake_hands(session.get(), socket.get(), deadline);

  const X509* leaf = SSL_get0_peer_certificate(session.get());
  if (leaf == nullptr) throw failed("the server showed no certificate");
  Served served{fingerprint_of(leaf), {}, address};
  const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(session.get());
  for (int i = 1; i < sk_X509_num(chain); ++i) {
    served.chain_fingerprints.push_back(fingerprint_of(sk_X509_value(chain, i)));
  }
  SSL_shutdown(session.get());
  ERR_clear_error();
  return served;
}

}  // namespace certctl::common
