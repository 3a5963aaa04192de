#include "core/http/transport.hpp"

#include <Poco/Net/Context.h>
#include <Poco/Net/NetException.h>
#include <Poco/Net/SSLException.h>
#include <Poco/Net/SSLManager.h>
#include <Poco/Net/SecureStreamSocket.h>
#include <Poco/Net/StreamSocket.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <fstream>
#include <iterator>

namespace certctl::http {
namespace {

using Poco::Net::SecureStreamSocket;
using Poco::Net::StreamSocket;

using BioPtr = std::unique_ptr<BIO, decltype(&::BIO_free)>;

BioPtr memory_bio(std::string_view text) { return {::BIO_new_mem_buf(text.data(), int(text.size())), &::BIO_free}; }

int no_passphrase(char*, int, int, void*) { return 0; }

std::string read_bundle(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file || text.empty()) throw invalid(fmt::format("CA bundle \"{}\" cannot be read or is empty", path));
  return text;
}

std::vector<std::shared_ptr<X509>> parse_certificates(std::string_view pem) {
  const auto bio = memory_bio(pem);
  std::vector<std::shared_ptr<X509>> certificates;
  while (X509* certificate = ::PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr)) {
    certificates.emplace_back(certificate, ::X509_free);
  }
  ::ERR_clear_error();
  return certificates;
}

void trust(SSL_CTX* context, std::string_view pem, const std::string& where) {
  const auto certificates = parse_certificates(pem);
  if (certificates.empty()) throw invalid("no PEM certificate in the CA bundle" + where);
  for (const auto& certificate : certificates)
    ::X509_STORE_add_cert(::SSL_CTX_get_cert_store(context), certificate.get());
}

void identify(SSL_CTX* context, const ClientOptions& options) {
  const auto chain = parse_certificates(options.client_cert_pem);
  if (chain.empty()) throw invalid("the client certificate is not a PEM certificate");
  const std::shared_ptr<EVP_PKEY> key(options.client_key_pem.use([](std::string_view pem) {
    return ::PEM_read_bio_PrivateKey(memory_bio(pem).get(), nullptr, no_passphrase, nullptr);
  }),
                                      ::EVP_PKEY_free);
  if (!key || ::SSL_CTX_use_cert_and_key(context, chain.front().get(), key.get(), nullptr, 1) != 1) {
    ::ERR_clear_error();
    throw invalid("the client certificate and its private key are not a pair of PEM texts");
  }
  for (std::size_t i = 1; i < chain.size(); ++i) ::SSL_CTX_add1_chain_cert(context, chain[i].get());
}

ClientError timed_out(const std::string& name) { return {Failure::timeout, false, name + " did not answer in time"}; }

void check_cancelled(const Cancellation::State* state) {
  if (state != nullptr && state->cancelled()) throw ClientError(Failure::cancelled, false, "the request was cancelled");
}

Poco::Net::SocketAddress socket_address(const IpAddress& address, std::uint16_t port) {
  return {Poco::Net::IPAddress(address.to_text()), port};
}

}  // namespace

// ---- cancellation --------------------------------------------------------------------------------------------------

void Cancellation::State::cancel() {
  std::scoped_lock lock(mutex_);
  cancelled_ = true;
  for (const int descriptor : descriptors_) ::shutdown(descriptor, SHUT_RDWR);
}

bool Cancellation::State::cancelled() const {
  std::scoped_lock lock(mutex_);
  return cancelled_;
}

void Cancellation::State::enter(int descriptor) {
  std::scoped_lock lock(mutex_);
  descriptors_.insert(descriptor);
  if (cancelled_) ::shutdown(descriptor, SHUT_RDWR);
}

void Cancellation::State::leave(int descriptor) {
  std::scoped_lock lock(mutex_);
  const auto found = descriptors_.find(descriptor);
  if (found != descriptors_.end()) descriptors_.erase(found);
}

CancellationGuard::CancellationGuard(Cancellation::State* state, int descriptor)
    : state_(state), descriptor_(descriptor) {
  if (state_ != nullptr) state_->enter(descriptor_);
}

CancellationGuard::~CancellationGuard() {
  if (state_ != nullptr) state_->leave(descriptor_);
}

// ---- trust ---------------------------------------------------------------------------------------------------------

struct ClientTls::Context {
  Poco::Net::Context::Ptr poco;
};

ClientTls::ClientTls(const ClientOptions& options) : context_(std::make_unique<Context>()) {
  static const bool initialized = (Poco::Net::initializeSSL(), true);
  static_cast<void>(initialized);
  Poco::Net::Context::Params params;
  // STRICT also where VERIFY_RELAXED would do: RELAXED accepts any name on localhost and 127.0.0.1.
  params.verificationMode = options.verify_peer ? Poco::Net::Context::VERIFY_STRICT : Poco::Net::Context::VERIFY_NONE;
  params.loadDefaultCAs = options.ca_bundle_path.empty() && options.ca_bundle_pem.empty();
  context_->poco = new Poco::Net::Context(Poco::Net::Context::TLS_CLIENT_USE, params);
  SSL_CTX* const raw = context_->poco->sslContext();
  ::SSL_CTX_set_min_proto_version(raw, options.tls13_only ? TLS1_3_VERSION : TLS1_2_VERSION);
  ::SSL_CTX_set_mode(raw,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  if (!options.ca_bundle_path.empty())
    trust(raw, read_bundle(options.ca_bundle_path), " \"" + options.ca_bundle_path + "\"");
  if (!options.ca_bundle_pem.empty()) trust(raw, options.ca_bundle_pem, "");
  if (!options.client_cert_pem.empty()) identify(raw, options);
}

ClientTls::~ClientTls() = default;

// ---- one connection ------------------------------------------------------------------------------------------------

Transport::Transport(const Target& target, const ClientTls& tls, const ClientTimeouts& timeouts, Deadline total,
                     Cancellation::State* cancellation) {
  const auto step = [&] { return std::min(total, std::chrono::steady_clock::now() + timeouts.connect); };
  const bool proxied = !target.proxy_url.empty();
  const Url peer = proxied ? parse_url(target.proxy_url) : target.url;
  connect(target.addresses, peer.port, proxied ? "the proxy" : target.url.authority(), step(), cancellation);
  const CancellationGuard guard(cancellation, descriptor());
  try {
    if (proxied && target.url.secure()) open_tunnel(target.url, step());
    if (target.url.secure()) secure(target.url, tls, step());
  } catch (const ClientError&) {
    check_cancelled(cancellation);
    throw;
  }
}

Transport::~Transport() {
  if (!socket_) return;
  try {
    socket_->close();
  } catch (const Poco::Exception&) {
    // A peer that is gone cannot be told goodbye; the descriptor is closed all the same.
  }
}

int Transport::descriptor() const { return int(socket_->impl()->sockfd()); }

void Transport::connect(const std::vector<IpAddress>& addresses, std::uint16_t port, const std::string& name,
                        Deadline deadline, Cancellation::State* cancellation) {
  std::string reason = "no address";
  for (const auto& address : addresses) {
    check_cancelled(cancellation);
    if (std::chrono::steady_clock::now() >= deadline)
      throw ClientError(Failure::timeout, false, "connecting to " + name + " took too long");
    const auto peer = socket_address(address, port);
    socket_ = std::make_unique<StreamSocket>(peer.family());
    const CancellationGuard guard(cancellation, descriptor());
    try {
      socket_->setBlocking(false);
      socket_->connectNB(peer);
      if (!wait(true, deadline)) {
        reason = "timeout";
        continue;
      }
      if (const int error = socket_->impl()->socketError(); error != 0) {
        reason = std::generic_category().message(error);
        continue;
      }
      socket_->setNoDelay(true);
      check_cancelled(cancellation);
      return;
    } catch (const Poco::Exception& error) {
      reason = error.message().empty() ? error.name() : error.message();
    }
  }
  check_cancelled(cancellation);
  const bool timeout = reason == "timeout";
  throw ClientError(timeout ? Failure::timeout : Failure::connect, false,
                    fmt::format("cannot connect to {}: {}", name, reason));
}

/// RFC 9110 §9.3.6.
void Transport::open_tunnel(const Url& url, Deadline deadline) {
  const std::string target =
      fmt::format(fmt::runtime(url.host.find(':') == std::string::npos ? "{}:{}" : "[{}]:{}"), url.host, url.port);
  const std::string request = fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n\r\n", target);
  const ClientError refused(Failure::connect, false, "the proxy refused the connection to " + target);
  if (send(request, deadline) != Io::done) throw refused;
  std::string answer;
  while (!answer.ends_with("\r\n\r\n")) {
    char byte = 0;  // byte by byte: what follows the head belongs to TLS
    std::size_t got = 0;
    if (receive({&byte, 1}, deadline, got) != Io::done || got == 0 || answer.size() > 16 * 1024) throw refused;
    answer += byte;
  }
  if (!answer.starts_with("HTTP/1.1 200") && !answer.starts_with("HTTP/1.0 200")) throw refused;
}

void Transport::secure(const Url& url, const ClientTls& tls, Deadline deadline) {
  const auto fail = [&](const std::string& why) {
    return ClientError(Failure::tls, false, fmt::format("TLS with {}: {}", url.authority(), why));
  };
  try {
    secure_checked(url, tls, deadline);
  } catch (const Poco::Net::CertificateValidationException&) {
    throw fail("the certificate is not valid for this name, or not issued by a trusted CA");
  } catch (const Poco::Exception& error) {
    const std::string& text = error.message();
    if (text.find("certificate verify failed") != std::string::npos)
      throw fail("the certificate is not issued by a trusted CA, or has expired");
    throw fail(text.empty() ? error.name() : text);
  }
}

void Transport::secure_checked(const Url& url, const ClientTls& tls, Deadline deadline) {
  auto secure =
      std::make_unique<SecureStreamSocket>(SecureStreamSocket::attach(*socket_, url.host, tls.context().poco));
  for (;;) {
    const int result = secure->completeHandshake();
    if (result == 1) break;
    if (result == 0)
      throw ClientError(Failure::tls, false,
                        fmt::format("TLS with {}: the connection was closed in the handshake", url.authority()));
    if (!wait(result == SecureStreamSocket::ERR_SSL_WANT_WRITE, deadline)) throw timed_out(url.authority());
  }
  secure->verifyPeerCertificate(url.host);
  socket_ = std::move(secure);
}

bool Transport::wait(bool writable, Deadline deadline) const {
  pollfd entry{descriptor(), short(writable ? POLLOUT : POLLIN), 0};
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) return false;
    const int ready = ::poll(&entry, 1, int(std::min<std::int64_t>(left, 60'000)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return true;  // the next call on the socket says what is wrong
  }
}

Transport::Io Transport::send(std::string_view bytes, Deadline deadline) {
  try {
    while (!bytes.empty()) {
      const int sent = socket_->sendBytes(bytes.data(), int(std::min<std::size_t>(bytes.size(), 256 * 1024)));
      if (sent > 0)
        bytes.remove_prefix(std::size_t(sent));
      else if (sent == 0)
        return Io::lost;
      else if (!wait(!(socket_->secure() && sent == SecureStreamSocket::ERR_SSL_WANT_READ), deadline))
        return Io::timeout;
    }
    return Io::done;
  } catch (const Poco::Exception&) {
    return Io::lost;
  }
}

Transport::Io Transport::receive(std::span<char> out, Deadline deadline, std::size_t& bytes) {
  bytes = 0;
  try {
    for (;;) {
      if (std::chrono::steady_clock::now() >= deadline) return Io::timeout;
      const int got = socket_->receiveBytes(out.data(), int(out.size()));
      if (got >= 0) {
        bytes = std::size_t(got);
        return Io::done;
      }
      if (!wait(socket_->secure() && got == SecureStreamSocket::ERR_SSL_WANT_WRITE, deadline)) return Io::timeout;
    }
  } catch (const Poco::Exception&) {
    return Io::lost;
  }
}

bool Transport::quiet() const {
  pollfd entry{descriptor(), POLLIN, 0};
  return ::poll(&entry, 1, 0) == 0;
}

}  // namespace certctl::http
