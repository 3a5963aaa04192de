#pragma once

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <mutex>
#include <thread>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/http/middleware.hpp"
#include "core/http/server.hpp"

/// What the tests of this folder share: certificates, a TLS client that can misbehave, a server with a few routes.
namespace certctl::http::test {

using namespace std::chrono_literals;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "certctl-http-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

struct Output {
  int exit = -1;
  std::string text;  ///< standard output and error
};

inline Output run(const std::string& command) {
  Output output;
  FILE* const pipe = ::popen((command + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  char buffer[4096];
  while (const std::size_t got = std::fread(buffer, 1, sizeof buffer, pipe)) output.text.append(buffer, got);
  const int status = ::pclose(pipe);
  output.exit = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return output;
}

/// A self-signed pair, trusted by naming its certificate as the bundle.
struct TestCertificate {
  TestCertificate(const TemporaryFolder& folder, const std::string& name = "server",
                  const std::string& sans = "DNS:localhost,IP:127.0.0.1")
      : cert(folder.file(name + ".pem")), key(folder.file(name + ".key")) {
    const auto made =
        run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 60 -subj /CN=" + name +
            " -addext subjectAltName=" + sans + " -keyout " + key + " -out " + cert);
    INFO(made.text);
    REQUIRE(made.exit == 0);
    ::chmod(key.c_str(), 0600);
  }
  std::string cert;
  std::string key;
};

inline int connect_to(std::uint16_t port) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ::close(descriptor);
    return -1;
  }
  const timeval limit{10, 0};
  ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  return descriptor;
}

struct Answer {
  int status = 0;
  std::string head;
  std::string body;

  std::string header(const std::string& name) const {
    for (const auto line : split(head, '\n')) {
      const auto colon = line.find(':');
      if (colon != std::string_view::npos && equal_ignore_case(line.substr(0, colon), name))
        return std::string(trim(line.substr(colon + 1)));
    }
    return {};
  }
};

/// A TLS client that sends exactly the bytes it is told to. Every read ends after ten seconds at the latest.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : descriptor_(connect_to(port)) {
    if (descriptor_ < 0) return;
    context_.reset(::SSL_CTX_new(::TLS_client_method()));
    ssl_.reset(::SSL_new(context_.get()));
    ::SSL_set_fd(ssl_.get(), descriptor_);
    connected_ = ::SSL_connect(ssl_.get()) == 1;
  }
  ~RawClient() {
    ssl_.reset();
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return connected_; }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const int sent = ::SSL_write(ssl_.get(), bytes.data(), int(std::min<std::size_t>(bytes.size(), 16384)));
      if (sent <= 0) return false;
      bytes.remove_prefix(std::size_t(sent));
    }
    return true;
  }

  /// Until the peer closes.
  std::string read_all() {
    while (fill()) {
    }
    return std::exchange(buffer_, {});
  }

  /// True when the peer has closed; false: it still has something to say, or is silent for ten seconds.
  bool closed() { return buffer_.empty() && !fill() && ::SSL_get_error(ssl_.get(), last_) != SSL_ERROR_WANT_READ; }

  Answer answer(bool head_request = false) {
    Answer answer;
    std::size_t end;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!fill()) return answer;
    }
    answer.head = buffer_.substr(0, end + 2);
    buffer_.erase(0, end + 4);
    answer.status = std::atoi(answer.head.c_str() + 9);
    if (head_request || answer.status == 100 || answer.status == 204) return answer;
    if (answer.header("Transfer-Encoding") == "chunked") {
      while (read_chunk(answer.body)) {
      }
      return answer;
    }
    const std::size_t length = std::size_t(std::atoll(answer.header("Content-Length").c_str()));
    while (buffer_.size() < length && fill()) {
    }
    answer.body = buffer_.substr(0, length);
    buffer_.erase(0, length);
    return answer;
  }

  Answer get(const std::string& path, const std::string& fields = "") {
    send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n");
    return answer();
  }

  Answer post(const std::string& path, const std::string& body, const std::string& fields = "") {
    send("POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         fields + "\r\n" + body);
    return answer();
  }

  std::string protocol() const { return ::SSL_get_version(ssl_.get()); }
  int descriptor() const { return descriptor_; }

 private:
  bool read_chunk(std::string& body) {
    std::size_t line;
    while ((line = buffer_.find("\r\n")) == std::string::npos) {
      if (!fill()) return false;
    }
    const std::size_t size = std::size_t(std::strtoull(buffer_.c_str(), nullptr, 16));
    while (buffer_.size() < line + 2 + size + 2) {
      if (!fill()) return false;
    }
    body += buffer_.substr(line + 2, size);
    buffer_.erase(0, line + 2 + size + 2);
    return size != 0;
  }

  bool fill() {
    char bytes[16384];
    last_ = ::SSL_read(ssl_.get(), bytes, sizeof bytes);
    if (last_ <= 0) return false;
    buffer_.append(bytes, std::size_t(last_));
    return true;
  }

  struct Free {
    void operator()(SSL* ssl) const { ::SSL_free(ssl); }
    void operator()(SSL_CTX* context) const { ::SSL_CTX_free(context); }
  };
  int descriptor_;
  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> ssl_;
  bool connected_ = false;
  int last_ = 0;
  std::string buffer_;
};

/// Waits for a condition with a deadline.
inline bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit = 10s) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

class RecordingAudit final : public AuditSink {
 public:
  void record(AuditRecord record) noexcept override {
    std::scoped_lock lock(mutex_);
    records_.push_back(std::move(record));
  }
  std::vector<AuditRecord> records() const {
    std::scoped_lock lock(mutex_);
    return records_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<AuditRecord> records_;
};

/// A gate that handlers wait at until the test opens it.
class Gate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    opened_.wait(lock, [&] { return open_; });
    --waiting_;
  }
  void open() {
    std::scoped_lock lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }
  int waiting() const {
    std::scoped_lock lock(mutex_);
    return waiting_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
  int waiting_ = 0;
};

inline constexpr const char* kKey = "Authorization: Bearer key-of-ops-0123456789\r\n";
inline constexpr const char* kAdminKey = "Authorization: Bearer key-of-admin-0123456789\r\n";
inline const std::string kAgentKey = "Authorization: Bearer " + std::string(43, 'a') + "\r\n";
inline const std::string kRetiredKey = "Authorization: Bearer " + std::string(43, 'r') + "\r\n";

/// A listener with chain and routes, as certctl-server wires them.
class TestServer {
 public:
  explicit TestServer(std::function<void(ServerOptions&)> adjust = {},
                      std::function<void(ChainOptions&)> adjust_chain = {}, KeyAuthenticatorOptions authentication = {})
      : certificate(folder),
        authenticator(
            std::move(authentication),
            ApiKeys::parse_named(Secret::copy_of("ops:key-of-ops-0123456789,admin:key-of-admin-0123456789:admin")),
            find_agent, clock) {
    ChainOptions chain_options;
    chain_options.rate_limit = false;
    if (adjust_chain) adjust_chain(chain_options);
    add_routes();
    chain = std::make_unique<Chain>(chain_options, router, authenticator, audit, clock);
    ServerOptions options;
    options.tls_cert_path = certificate.cert;
    options.tls_key_path = certificate.key;
    options.tls_reload_interval = 0ms;
    options.limits.workers = 4;
    if (adjust) adjust(options);
    server = std::make_unique<Server>(options, *chain);
    server->start();
  }
  ~TestServer() {
    gate.open();
    server->stop(5s);
  }

  std::uint16_t port() const { return server->port(); }
  std::string url(const std::string& path) const { return "https://localhost:" + std::to_string(port()) + path; }

  TemporaryFolder folder;
  TestCertificate certificate;
  SystemClock clock;
  RecordingAudit audit;
  Router router;
  Gate gate;
  std::atomic<int> cancelled_polls{0};
  KeyAuthenticator authenticator;
  std::unique_ptr<Chain> chain;
  std::unique_ptr<Server> server;

 private:
  static std::optional<AgentIdentity> find_agent(const std::string& hash) {
    if (hash == to_hex(digest_of(std::string(43, 'a')))) return AgentIdentity{"agent-1", false};
    if (hash == to_hex(digest_of(std::string(43, 'r')))) return AgentIdentity{"agent-2", true};
    return std::nullopt;
  }

  void add_routes() {
    RouteOptions open;
    open.auth = Auth::none;
    open.rate_limited = false;
    open.audited = false;
    open.public_cors = true;
    open.urgent = true;
    router.add("GET", "/health", open, [](Request&) { return json(200, R"({"status":"healthy"})"); });
    router.add("GET", "/api/v1/things/{id}", {},
               [](Request& request) { return json(200, R"({"id":")" + request.parameter("id") + "\"}"); });
    router.add("DELETE", "/api/v1/things/{id}", {}, [](Request&) { return no_content(); });
    router.add("POST", "/api/v1/things", {},
               [](Request& request) { return json(201, R"({"size":)" + std::to_string(request.body.size()) + "}"); });
    RouteOptions admin;
    admin.admin = true;
    router.add("POST", "/api/v1/admin/reload", admin, [](Request&) { return json(200, "{}"); });
    router.add("GET", "/api/v1/fail/{how}", {}, [](Request& request) -> Response {
      const auto& how = request.parameter("how");
      if (how == "conflict") throw conflict("it stands in the way", "has_dependants");
      if (how == "field") throw invalid_field("/name", "required", "name is required");
      if (how == "unavailable") throw unavailable("the database is away", 5s);
      if (how == "internal") throw internal("SELECT secret FROM table");
      throw std::runtime_error("postgres://user:password@host/");
    });
    router.add("GET", "/api/v1/slow", {}, [this](Request&) {
      gate.pass();
      return json(200, R"({"slow":true})");
    });
    router.add("GET", "/api/v1/stream/{count}", {}, [](Request& request) {
      const int count = std::atoi(request.parameter("count").c_str());
      return stream("text/plain", [n = 0, count]() mutable -> std::optional<std::string> {
        if (n == count) return std::nullopt;
        return "line " + std::to_string(n++) + "\n";
      });
    });
    router.add("GET", "/api/v1/broken-stream", {}, [](Request&) {
      return stream("text/plain", [n = 0]() mutable -> std::optional<std::string> {
        if (n++ == 1) throw std::runtime_error("the cursor is gone");
        return "first\n";
      });
    });
    router.add("GET", "/api/v1/large", {}, [](Request&) { return text(200, std::string(5'000'000, 'x')); });
    RouteOptions agent;
    agent.auth = Auth::agent;
    router.add_async("GET", "/api/v1/agents/{id}/work", agent, [this](std::shared_ptr<Request> request, Reply reply) {
      const int wait = std::atoi(request->query.get_or("wait", "0").c_str());
      reply.park(std::chrono::milliseconds(wait), [this](ParkEnd end) {
        if (end == ParkEnd::client_gone) ++cancelled_polls;
        return json(200, end == ParkEnd::draining ? R"({"jobs":[],"draining":true})" : R"({"jobs":[]})");
      });
    });
    RouteOptions registration;
    registration.auth = Auth::bootstrap;
    router.add("POST", "/api/v1/agents", registration,
               [](Request& request) { return json(201, R"({"by":")" + request.principal.name + "\"}"); });
    open.public_cors = false;
    open.rate_limited = true;
    router.add("GET", "/.well-known/pki/ocsp/{issuer}/{request...}", open,
               [](Request& request) { return text(200, request.parameter("request")); });
    router.add_async("GET", "/api/v1/forgotten", {}, [](std::shared_ptr<Request>, Reply) {});
  }
};

}  // namespace certctl::http::test
