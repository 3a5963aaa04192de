#include "core/http/tls_context.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <vector>

#include "core/base/error.hpp"
#include "core/base/secret.hpp"
#include "core/base/text.hpp"
#include "core/http/digest.hpp"

namespace certctl::http {
namespace {

constexpr std::size_t kLargestFile = 1024 * 1024;

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using CertificatePtr = std::unique_ptr<X509, Deleter<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, Deleter<BIO_free>>;

/// What tells one content of a path from the next.
struct Stamp {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  timespec modified{};
  bool operator==(const Stamp& other) const {
    return device == other.device && inode == other.inode && size == other.size &&
           modified.tv_sec == other.modified.tv_sec && modified.tv_nsec == other.modified.tv_nsec;
  }
};

Stamp stamp_of(const struct stat& status) { return {status.st_dev, status.st_ino, status.st_size, status.st_mtim}; }

Stamp stamp_of(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? stamp_of(status) : Stamp{};
}

struct FileContent {
  Secret text;
  Stamp stamp;
  mode_t mode = 0;
};

FileContent read_file(const std::string& path, const char* what) {
  const auto unreadable = [&](const char* why) {
    return invalid(fmt::format("server TLS {} file unreadable at \"{}\": {}", what, path, why));
  };
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw unreadable(std::strerror(errno));
  struct Closer {
    int descriptor;
    ~Closer() { ::close(descriptor); }
  } closer{descriptor};
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) throw unreadable(std::strerror(errno));
  if (!S_ISREG(status.st_mode)) throw unreadable("not a regular file");
  if (std::size_t(status.st_size) > kLargestFile) throw unreadable("larger than 1 MiB");
  std::string bytes(std::size_t(status.st_size), '\0');
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = ::read(descriptor, bytes.data() + filled, bytes.size() - filled);
    if (got < 0) throw unreadable(std::strerror(errno));
    if (got == 0) break;
    filled += std::size_t(got);
  }
  bytes.resize(filled);
  return {Secret(std::move(bytes)), stamp_of(status), status.st_mode};
}

BioPtr memory_bio(std::string_view text) { return BioPtr(::BIO_new_mem_buf(text.data(), int(text.size()))); }

/// An encrypted key must fail instead of asking on the terminal.
int no_passphrase(char*, int, int, void*) { return 0; }

Time time_of(const ASN1_TIME* time) {
  std::tm parts{};
  ::ASN1_TIME_to_tm(time, &parts);
  return Time(std::chrono::seconds(::timegm(&parts)));
}

CertificateInfo describe(X509* certificate) {
  CertificateInfo info;
  BioPtr out(::BIO_new(::BIO_s_mem()));
  ::X509_NAME_print_ex(out.get(), ::X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const long size = ::BIO_get_mem_data(out.get(), &text);
  info.subject.assign(text, std::size_t(size));
  unsigned char* der = nullptr;
  const int der_size = ::i2d_X509(certificate, &der);
  if (der_size > 0) {
    info.fingerprint = to_hex(sha256({reinterpret_cast<const char*>(der), std::size_t(der_size)}));
    ::OPENSSL_free(der);
  }
  info.not_before = time_of(::X509_get0_notBefore(certificate));
  info.not_after = time_of(::X509_get0_notAfter(certificate));
  return info;
}

/// h2 is never chosen. A client that offers ALPN without http/1.1 gets no_application_protocol (RFC 7301 §3.2).
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
                    unsigned int size, void*) {
  constexpr std::string_view kWanted = "http/1.1";
  for (unsigned int at = 0; at < size; at += offered[at] + 1u) {
    const std::string_view name(reinterpret_cast<const char*>(offered) + at + 1, offered[at]);
    if (name != kWanted) continue;
    *out = offered + at + 1;
    *out_size = offered[at];
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

}  // namespace

struct TlsContext::Pair {
  CertificatePtr leaf;
  std::vector<CertificatePtr> chain;
  KeyPtr key;
  CertificateInfo info;
  Stamp cert_stamp;
  Stamp key_stamp;
};

namespace {

std::vector<CertificatePtr> parse_chain(std::string_view pem) {
  const auto bio = memory_bio(pem);
  std::vector<CertificatePtr> chain;
  X509* raw = ::X509_new_ex(library_context(), nullptr);
  while (::PEM_read_bio_X509(bio.get(), &raw, no_passphrase, nullptr) != nullptr) {
    chain.emplace_back(raw);
    raw = ::X509_new_ex(library_context(), nullptr);
  }
  ::X509_free(raw);  // null when the reader met a malformed certificate
  if (ERR_GET_REASON(::ERR_peek_last_error()) != PEM_R_NO_START_LINE) chain.clear();
  ::ERR_clear_error();
  return chain;
}

}  // namespace

TlsContext::TlsContext(std::string cert_path, std::string key_path)
    : cert_path_(std::move(cert_path)), key_path_(std::move(key_path)) {
  if (cert_path_.empty()) throw invalid("server TLS cert path is required: set CERTCTL_SERVER_TLS_CERT_PATH");
  if (key_path_.empty()) throw invalid("server TLS key path is required: set CERTCTL_SERVER_TLS_KEY_PATH");
  reload();
}

std::shared_ptr<SSL_CTX> TlsContext::current() const {
  std::scoped_lock lock(mutex_);
  return context_;
}

CertificateInfo TlsContext::certificate() const {
  std::scoped_lock lock(mutex_);
  return pair_->info;
}

bool TlsContext::files_changed() const {
  const Stamp cert = stamp_of(cert_path_);
  const Stamp key = stamp_of(key_path_);
  std::scoped_lock lock(mutex_);
  return !(cert == pair_->cert_stamp) || !(key == pair_->key_stamp);
}

void TlsContext::reload() {
  const auto mismatch = [&](const char* why) {
    return invalid(
        fmt::format("server TLS cert/key pair invalid (cert=\"{}\" key=\"{}\"): {}", cert_path_, key_path_, why));
  };
  const FileContent cert = read_file(cert_path_, "cert");
  const FileContent key = read_file(key_path_, "key");
  if ((key.mode & (S_IRWXO | S_IWGRP)) != 0) throw mismatch("the key file is open to others; chmod 600 it");

  auto pair = std::make_shared<Pair>();
  auto chain = cert.text.use(parse_chain);
  if (chain.empty()) throw mismatch("the cert file is not a well-formed PEM chain");
  pair->leaf = std::move(chain.front());
  chain.erase(chain.begin());
  pair->chain = std::move(chain);
  pair->key.reset(key.text.use([](std::string_view pem) {
    return ::PEM_read_bio_PrivateKey_ex(memory_bio(pem).get(), nullptr, no_passphrase, nullptr, library_context(),
                                        nullptr);
  }));
  ::ERR_clear_error();
  if (!pair->key) throw mismatch("no unencrypted PEM private key in the key file");
  if (::X509_check_private_key(pair->leaf.get(), pair->key.get()) != 1) {
    ::ERR_clear_error();
    throw mismatch("the key does not belong to the certificate");
  }
  pair->info = describe(pair->leaf.get());
  if (pair->info.not_after <= SystemClock().now()) throw mismatch("the certificate has expired");
  pair->cert_stamp = cert.stamp;
  pair->key_stamp = key.stamp;
  install(std::move(pair));
}

void TlsContext::rotate_ticket_keys() {
  std::shared_ptr<const Pair> pair;
  {
    std::scoped_lock lock(mutex_);
    pair = pair_;
  }
  install(std::move(pair));
}

void TlsContext::install(std::shared_ptr<const Pair> pair) {
  std::shared_ptr<SSL_CTX> context(::SSL_CTX_new_ex(library_context(), nullptr, ::TLS_server_method()), ::SSL_CTX_free);
  SSL_CTX* const raw = context.get();
  bool fine = raw != nullptr;
  fine = fine && ::SSL_CTX_set_min_proto_version(raw, TLS1_3_VERSION) == 1 &&
         ::SSL_CTX_set_max_proto_version(raw, TLS1_3_VERSION) == 1;
  fine = fine && ::SSL_CTX_set1_groups_list(raw, "X25519:P-256") == 1;
  fine = fine && ::SSL_CTX_use_cert_and_key(raw, pair->leaf.get(), pair->key.get(), nullptr, 1) == 1;
  for (std::size_t i = 0; fine && i < pair->chain.size(); ++i)
    fine = ::SSL_CTX_add1_chain_cert(raw, pair->chain[i].get()) == 1;
  if (!fine) {
    std::array<char, 256> reason{};
    ::ERR_error_string_n(::ERR_get_error(), reason.data(), reason.size());
    ::ERR_clear_error();
    throw invalid(fmt::format("server TLS cert/key pair invalid (cert=\"{}\" key=\"{}\"): {}", cert_path_, key_path_,
                              reason.data()));
  }
  // One ticket must stay: without any, clients that leave Nagle on wait 40 ms in each handshake.
  ::SSL_CTX_set_num_tickets(raw, 1);
  ::SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  ::SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  ::SSL_CTX_set_mode(raw,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  ::SSL_CTX_set_alpn_select_cb(raw, choose_protocol, nullptr);

  std::scoped_lock lock(mutex_);
  pair_ = std::move(pair);
  context_ = std::move(context);
}

}  // namespace certctl::http
