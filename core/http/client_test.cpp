#include "core/http/client.hpp"

#include <poll.h>

#include "core/http/http_test_support.hpp"

namespace certctl::http::test {
namespace {

/// A plain TCP peer that plays a script for each connection.
class Peer {
 public:
  using Script = std::function<void(int descriptor, int number)>;

  explicit Peer(Script script) : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener_, 16) == 0);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, script = std::move(script)] {
      for (;;) {
        const int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (descriptor < 0) return;
        const timeval limit{5, 0};
        ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        script(descriptor, ++connections_);
        ::close(descriptor);
      }
    });
  }
  ~Peer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }

  std::string url(const std::string& path = "/") const { return "http://127.0.0.1:" + std::to_string(port_) + path; }
  std::uint16_t port() const { return port_; }
  int connections() const { return connections_; }

  static std::string read_head(int descriptor) {
    std::string head;
    char byte;
    while (!head.ends_with("\r\n\r\n") && ::recv(descriptor, &byte, 1, 0) == 1) head += byte;
    return head;
  }
  static void say(int descriptor, std::string_view text) { ::send(descriptor, text.data(), text.size(), MSG_NOSIGNAL); }
  static void wait_for_end(int descriptor) {
    char bytes[1024];
    while (::recv(descriptor, bytes, sizeof bytes, 0) > 0) {
    }
  }

 private:
  int listener_;
  std::uint16_t port_ = 0;
  std::atomic<int> connections_{0};
  std::thread thread_;
};

ClientOptions unguarded() {
  ClientOptions options;
  options.policy = AddressPolicy(Guard::none, {}, {});
  return options;
}

struct Outcome {
  std::optional<Failure> failure;
  bool bytes_sent = false;
  ClientResponse response;
  std::string message;
};

Outcome send(Client& client, ClientRequest request) {
  Outcome outcome;
  try {
    outcome.response = client.send(request);
  } catch (const ClientError& error) {
    outcome.failure = error.failure();
    outcome.bytes_sent = error.bytes_sent();
    outcome.message = error.what();
  }
  return outcome;
}

Outcome get(Client& client, const std::string& url) {
  ClientRequest request;
  request.url = url;
  return send(client, std::move(request));
}

TEST_CASE("The client talks to the listener, keeps its connection and verifies it") {
  TestServer server;
  auto options = unguarded();
  options.ca_bundle_path = server.certificate.cert;
  options.keep_alive = true;
  options.tls13_only = true;
  Client client(std::move(options));
  ClientRequest request;
  request.method = "POST";
  request.url = server.url("/api/v1/things");
  request.headers.add("Authorization", "Bearer key-of-ops-0123456789");
  request.body = std::string(300'000, 'x');
  for (int i = 0; i < 3; ++i) {
    const auto answer = client.send(request);
    CHECK(answer.status == 201);
    CHECK(answer.body == "{\"size\":300000}\n");
  }
  CHECK(server.server->stats().accepted == 1);
  request.method = "GET";
  request.body.clear();
  request.url = server.url("/api/v1/stream/50");
  CHECK(client.send(request).body.size() > 300);
  request.url = server.url("/api/v1/things");
  request.method = "HEAD";
  CHECK(client.send(request).status == 405);
}

TEST_CASE("On loopback, too, a certificate for another name or of an unknown CA is refused") {
  TestServer server;
  const TestCertificate other(server.folder, "other", "DNS:other.example");
  std::filesystem::copy_file(other.cert, server.certificate.cert, std::filesystem::copy_options::overwrite_existing);
  std::filesystem::copy_file(other.key, server.certificate.key, std::filesystem::copy_options::overwrite_existing);
  REQUIRE(server.server->reload_tls().empty());
  auto options = unguarded();
  options.ca_bundle_path = other.cert;
  Client client(std::move(options));
  for (const char* host : {"localhost", "127.0.0.1"}) {
    const auto outcome = get(client, std::string("https://") + host + ":" + std::to_string(server.port()) + "/health");
    CHECK(outcome.failure == Failure::tls);
    CHECK_FALSE(outcome.bytes_sent);
  }
  Client stranger(unguarded());
  CHECK(get(stranger, server.url("/health")).failure == Failure::tls);
  auto careless = unguarded();
  careless.verify_peer = false;
  Client insecure(std::move(careless));
  CHECK(get(insecure, server.url("/health")).response.status == 200);
}

TEST_CASE("An IP address in the certificate is a valid name") {
  TestServer server;
  auto options = unguarded();
  options.ca_bundle_path = server.certificate.cert;
  Client client(std::move(options));
  CHECK(get(client, "https://127.0.0.1:" + std::to_string(server.port()) + "/health").response.status == 200);
}

TEST_CASE("Nothing was sent when nobody listens") {
  std::uint16_t port = 0;
  {
    Peer gone([](int, int) {});
    port = gone.port();
  }
  Client client(unguarded());
  const auto outcome = get(client, "http://127.0.0.1:" + std::to_string(port) + "/");
  CHECK(outcome.failure == Failure::connect);
  CHECK_FALSE(outcome.bytes_sent);
}

TEST_CASE("An answer that is cut off is no answer, in every framing") {
  const std::vector<std::string> answers{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
                                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
                                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
                                         "HTTP/1.1 200 OK\r\nContent-Le", ""};
  for (const auto& text : answers) {
    INFO(text);
    Peer peer([&](int descriptor, int) {
      Peer::read_head(descriptor);
      Peer::say(descriptor, text);
    });
    Client client(unguarded());
    const auto outcome = get(client, peer.url());
    CHECK(outcome.failure == Failure::no_answer);
    CHECK(outcome.bytes_sent);
  }
}

TEST_CASE("A body without a length ends with the connection, and interim answers are skipped") {
  Peer peer([](int descriptor, int) {
    Peer::read_head(descriptor);
    Peer::say(descriptor,
              "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nX-A: 1\r\nX-A: 2\r\n\r\nall of it");
  });
  Client client(unguarded());
  const auto outcome = get(client, peer.url());
  CHECK(outcome.response.status == 200);
  CHECK(outcome.response.body == "all of it");
  CHECK(outcome.response.headers.count("x-a") == 2);
}

TEST_CASE("Garbage and answers over the limit are told apart") {
  Peer peer([](int descriptor, int number) {
    Peer::read_head(descriptor);
    Peer::say(descriptor,
              number == 1 ? "SSH-2.0-OpenSSH\r\n\r\n" : "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n");
    Peer::wait_for_end(descriptor);
  });
  Client client(unguarded());
  CHECK(get(client, peer.url()).failure == Failure::malformed_answer);
  CHECK(get(client, peer.url()).failure == Failure::too_large);
}

TEST_CASE("Each time limit ends the request that misses it") {
  Peer peer([](int descriptor, int number) {
    Peer::read_head(descriptor);
    if (number == 2) Peer::say(descriptor, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab");
    Peer::wait_for_end(descriptor);
  });
  Client client(unguarded());
  ClientRequest request;
  request.url = peer.url();
  request.timeouts = ClientTimeouts{30s, 100ms, 60s};
  const auto silent = send(client, request);
  CHECK(silent.failure == Failure::timeout);
  CHECK(silent.bytes_sent);
  request.timeouts = ClientTimeouts{30s, 60s, 200ms};
  CHECK(send(client, request).failure == Failure::timeout);
}

TEST_CASE("A peer that never shakes hands is left in time") {
  Peer peer([](int descriptor, int) { Peer::wait_for_end(descriptor); });
  Client client(unguarded());
  ClientRequest request;
  request.url = "https://127.0.0.1:" + std::to_string(peer.port()) + "/";
  request.timeouts = ClientTimeouts{150ms, 1000ms, 5000ms};
  const auto outcome = send(client, request);
  CHECK(outcome.failure == Failure::timeout);
  CHECK_FALSE(outcome.bytes_sent);
}

TEST_CASE("Another thread can end a request that waits") {
  std::atomic<bool> asked{false};
  Peer peer([&](int descriptor, int) {
    Peer::read_head(descriptor);
    asked = true;
    Peer::wait_for_end(descriptor);
  });
  Client client(unguarded());
  ClientRequest request;
  request.url = peer.url();
  request.cancellation.emplace();
  Outcome outcome;
  std::thread caller([&] { outcome = send(client, request); });
  CHECK(eventually([&] { return asked.load(); }));
  request.cancellation->cancel();
  caller.join();
  CHECK(outcome.failure == Failure::cancelled);
  CHECK(outcome.bytes_sent);
  const auto later = send(client, request);
  CHECK(later.failure == Failure::cancelled);
  CHECK_FALSE(later.bytes_sent);
}

TEST_CASE("A kept connection that the peer has closed is not noticed by the caller") {
  std::atomic<bool> closed{false};
  Peer peer([&](int descriptor, int number) {
    Peer::read_head(descriptor);
    Peer::say(descriptor, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + std::to_string(number));
    // The second request on the first connection is read and never answered; the second connection ends after one.
    if (number == 1) Peer::read_head(descriptor);
    ::shutdown(descriptor, SHUT_RDWR);
    closed = number == 2;
  });
  auto options = unguarded();
  options.keep_alive = true;
  Client client(std::move(options));
  CHECK(get(client, peer.url()).response.body == "1");
  CHECK(get(client, peer.url()).response.body == "2");
  CHECK(eventually([&] { return closed.load(); }));
  ClientRequest post;
  post.method = "POST";
  post.url = peer.url();
  CHECK(send(client, post).response.body == "3");
}

TEST_CASE("A write on a kept connection that dies is never sent twice") {
  Peer peer([](int descriptor, int) {
    Peer::read_head(descriptor);
    Peer::say(descriptor, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    Peer::read_head(descriptor);
  });
  auto options = unguarded();
  options.keep_alive = true;
  Client client(std::move(options));
  CHECK(get(client, peer.url()).response.status == 200);
  ClientRequest post;
  post.method = "POST";
  post.url = peer.url();
  const auto outcome = send(client, post);
  CHECK(outcome.failure == Failure::no_answer);
  CHECK(outcome.bytes_sent);
  CHECK(peer.connections() == 1);
}

TEST_CASE("Redirects are followed only when asked, checked again, and without the credential elsewhere") {
  std::string seen;
  Peer target([&](int descriptor, int) {
    seen = Peer::read_head(descriptor);
    Peer::say(descriptor, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  Peer source([&](int descriptor, int) {
    Peer::read_head(descriptor);
    Peer::say(descriptor, "HTTP/1.1 302 Found\r\nLocation: " + target.url("/next") + "\r\nContent-Length: 0\r\n\r\n");
  });
  Client strict(unguarded());
  CHECK(get(strict, source.url()).response.status == 302);
  auto options = unguarded();
  options.redirects = 3;
  Client following(std::move(options));
  ClientRequest request;
  request.url = source.url();
  request.headers.add("Authorization", "Bearer secret");
  const auto outcome = send(following, request);
  CHECK(outcome.response.body == "ok");
  CHECK(outcome.response.url == target.url("/next"));
  CHECK(seen.starts_with("GET /next HTTP/1.1\r\n"));
  CHECK(seen.find("secret") == std::string::npos);
}

TEST_CASE("A guarded client refuses loopback by literal, name and disguise, before it connects") {
  Peer peer([](int descriptor, int) { Peer::read_head(descriptor); });
  const std::string port = ":" + std::to_string(peer.port()) + "/";
  ClientOptions options;
  options.resolver = [](const std::string& host) {
    if (host == "mixed.example") return std::vector{*IpAddress::parse("192.0.2.1"), *IpAddress::parse("127.0.0.1")};
    return std::vector{*IpAddress::parse("127.0.0.1")};
  };
  Client client(std::move(options));
  for (const char* host : {"127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "rebound.example", "mixed.example"}) {
    INFO(host);
    const auto outcome = get(client, std::string("http://") + host + port);
    CHECK(outcome.failure == Failure::address_refused);
    CHECK_FALSE(outcome.bytes_sent);
  }
  for (const char* host : {"2130706433", "0x7f000001", "0177.0.0.1", "127.1", "user@localhost"}) {
    INFO(host);
    CHECK(get(client, std::string("http://") + host + port).failure == Failure::bad_url);
  }
  CHECK(get(client, "ftp://localhost/").failure == Failure::bad_url);
  CHECK(peer.connections() == 0);
}

TEST_CASE("The checked address is the one that is dialled, and the name stays in the request") {
  std::string head;
  Peer peer([&](int descriptor, int) {
    head = Peer::read_head(descriptor);
    Peer::say(descriptor, "HTTP/1.1 204 No Content\r\n\r\n");
  });
  int questions = 0;
  ClientOptions options;
  options.policy = AddressPolicy(Guard::guarded, {*Cidr::parse("127.0.0.1")}, {});
  options.resolver = [&](const std::string&) {
    ++questions;
    return std::vector{*IpAddress::parse("127.0.0.1")};
  };
  Client client(std::move(options));
  CHECK(get(client, "http://hook.example:" + std::to_string(peer.port()) + "/x").response.status == 204);
  CHECK(questions == 1);
  CHECK(head.find("Host: hook.example:" + std::to_string(peer.port())) != std::string::npos);
}

TEST_CASE("A proxy is asked for a tunnel, and TLS inside it is still checked") {
  TestServer server;
  Peer proxy([&](int descriptor, int) {
    const auto head = Peer::read_head(descriptor);
    if (!head.starts_with("CONNECT localhost:")) return;
    const int upstream = connect_to(server.port());
    Peer::say(descriptor, "HTTP/1.1 200 Connection established\r\n\r\n");
    pollfd both[2]{{descriptor, POLLIN, 0}, {upstream, POLLIN, 0}};
    char bytes[16384];
    while (::poll(both, 2, 5000) > 0) {
      const int from = both[0].revents != 0 ? 0 : 1;
      const ssize_t got = ::recv(both[from].fd, bytes, sizeof bytes, 0);
      if (got <= 0) break;
      Peer::say(both[1 - from].fd, {bytes, std::size_t(got)});
    }
    ::close(upstream);
  });
  auto options = unguarded();
  options.ca_bundle_path = server.certificate.cert;
  options.proxy_url = proxy.url();
  Client client(std::move(options));
  CHECK(get(client, server.url("/health")).response.status == 200);
  ClientOptions guarded;
  guarded.proxy_url = proxy.url();
  CHECK_THROWS_AS(Client(std::move(guarded)), Error);
}

TEST_CASE("Options that cannot work are refused at once") {
  TemporaryFolder folder;
  const TestCertificate one(folder, "one"), two(folder, "two");
  const auto read = [](const std::string& path) { return run("cat " + path).text; };
  auto missing = unguarded();
  missing.ca_bundle_path = folder.file("absent.pem");
  CHECK_THROWS_WITH(Client(std::move(missing)), Catch::Contains("absent.pem"));
  auto mismatch = unguarded();
  mismatch.client_cert_pem = read(one.cert);
  mismatch.client_key_pem = Secret(read(two.key));
  CHECK_THROWS_WITH(Client(std::move(mismatch)), Catch::Contains("not a pair"));
  auto pair = unguarded();
  pair.client_cert_pem = read(one.cert);
  pair.client_key_pem = Secret(read(one.key));
  CHECK_NOTHROW(Client(std::move(pair)));
}

TEST_CASE("One client serves many threads") {
  TestServer server;
  auto options = unguarded();
  options.ca_bundle_path = server.certificate.cert;
  options.keep_alive = true;
  Client client(std::move(options));
  std::atomic<int> fine{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 25; ++i) {
        if (get(client, server.url("/health")).response.status == 200) ++fine;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(fine == 100);
  CHECK(server.server->stats().accepted <= 8);
}

}  // namespace
}  // namespace certctl::http::test
