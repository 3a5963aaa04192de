#include <fstream>
#include <random>

#include "core/base/json.hpp"
#include "core/http/http_test_support.hpp"

namespace certctl::http::test {
namespace {

TEST_CASE("curl gets an answer over TLS 1.3 and HTTP/1.1") {
  TestServer server;
  const auto curl = run("curl -sS --cacert " + server.certificate.cert + " -w '%{http_code} %{http_version}' " +
                        server.url("/health"));
  CHECK(curl.exit == 0);
  CHECK(curl.text == "{\"status\":\"healthy\"}\n200 1.1");
}

TEST_CASE("openssl s_client is refused with TLS 1.2 and served with TLS 1.3") {
  TestServer server;
  const std::string base = "openssl s_client -connect 127.0.0.1:" + std::to_string(server.port()) + " -CAfile " +
                           server.certificate.cert + " -verify_return_error -brief -alpn h2,http/1.1 ";
  CHECK(run(base + "-tls1_2 </dev/null").exit != 0);
  const auto modern = run(base + "-tls1_3 </dev/null");
  CHECK(modern.exit == 0);
  CHECK(modern.text.find("Protocol version: TLSv1.3") != std::string::npos);
  CHECK(run("openssl s_client -connect 127.0.0.1:" + std::to_string(server.port()) + " -alpn h2 -brief </dev/null")
            .text.find("no application protocol") != std::string::npos);
}

TEST_CASE("A second request uses the connection and the session ticket of the first") {
  TestServer server;
  RawClient client(server.port());
  CHECK(client.get("/health").status == 200);
  CHECK(client.get("/health").status == 200);
  CHECK(server.server->stats().accepted == 1);
  CHECK(server.server->stats().requests == 2);
}

TEST_CASE("Pipelined requests are answered one by one in order") {
  TestServer server;
  RawClient client(server.port());
  std::string burst;
  for (int i = 0; i < 300; ++i) {
    burst += "GET /api/v1/things/t-" + std::to_string(i) + " HTTP/1.1\r\nHost: localhost\r\n" + kKey + "\r\n";
    burst += "POST /api/v1/things HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n" + std::string(kKey) + "\r\nabc";
  }
  // All at once, before an answer is read; one thread, since an SSL object takes no second (SSL_write(3)).
  const int room = 256 * 1024;
  REQUIRE(::setsockopt(client.descriptor(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room) == 0);
  REQUIRE(client.send(burst));
  int right = 0;
  for (int i = 0; i < 300; ++i) {
    if (client.answer().body == "{\"id\":\"t-" + std::to_string(i) + "\"}\n") ++right;
    if (client.answer().status == 201) ++right;
  }
  CHECK(right == 600);
}

TEST_CASE("HEAD answers as GET does, without the body") {
  TestServer server;
  RawClient client(server.port());
  client.send("HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto head = client.answer(true);
  CHECK(head.status == 200);
  CHECK(head.header("Content-Length") == "21");
  CHECK(client.get("/health").body == "{\"status\":\"healthy\"}\n");
}

TEST_CASE("A chunked body is read like one with a length") {
  TestServer server;
  RawClient client(server.port());
  client.send("POST /api/v1/things HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n" + std::string(kKey) +
              "\r\n4;ext=1\r\nabcd\r\n10\r\n0123456789abcdef\r\n0\r\nTrailer: x\r\n\r\n");
  CHECK(client.answer().body == "{\"size\":20}\n");
  CHECK(client.get("/health").status == 200);
}

TEST_CASE("A body over the limit gets 413 and the connection ends, with and without Content-Length") {
  TestServer server;
  const std::string large(1024 * 1024 + 1, 'x');
  SECTION("with a length, before the body is read") {
    RawClient client(server.port());
    client.send("POST /api/v1/things HTTP/1.1\r\nHost: localhost\r\n" + std::string(kKey) +
                "Content-Length: 1048577\r\n\r\n");
    const auto answer = client.answer();
    CHECK(answer.status == 413);
    CHECK(answer.header("Connection") == "close");
    CHECK(json::text_or(json::parse(answer.body), "error") == "Request Entity Too Large");
    CHECK(client.closed());
  }
  SECTION("chunked, by counting") {
    RawClient client(server.port());
    client.send("POST /api/v1/things HTTP/1.1\r\nHost: localhost\r\n" + std::string(kKey) +
                "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 1100; ++i) {
      if (!client.send("400\r\n" + large.substr(0, 1024) + "\r\n")) break;
    }
    CHECK(client.answer().status == 413);
    CHECK(client.closed());
  }
  SECTION("exactly the limit passes") {
    RawClient client(server.port());
    CHECK(client.post("/api/v1/things", large.substr(1), kKey).status == 201);
  }
  SECTION("curl sees the answer though it has more to send") {
    std::ofstream(server.folder.file("large")) << std::string(3'000'000, 'x');
    const auto curl = run("curl -s --cacert " + server.certificate.cert +
                          " -o /dev/null -w '%{http_code}' -H 'Authorization: Bearer key-of-ops-0123456789' -H "
                          "'Expect:' --data-binary @" +
                          server.folder.file("large") + " " + server.url("/api/v1/things"));
    CHECK(curl.text == "413");
  }
}

TEST_CASE("A head over the limit gets 431") {
  TestServer server;
  RawClient client(server.port());
  client.send("GET /health HTTP/1.1\r\nHost: localhost\r\nX-Filler: " + std::string(70'000, 'x') + "\r\n\r\n");
  const auto answer = client.answer();
  CHECK(answer.status == 431);
  CHECK(answer.header("Connection") == "close");
}

TEST_CASE("Expect: 100-continue is answered before the body, and refusals come instead of it") {
  TestServer server;
  const std::string head =
      "POST /api/v1/things HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nExpect: 100-continue\r\n";
  SECTION("with a key") {
    RawClient client(server.port());
    client.send(head + kKey + "\r\n");
    CHECK(client.answer().status == 100);
    client.send("abc");
    CHECK(client.answer().status == 201);
  }
  SECTION("without one") {
    RawClient client(server.port());
    client.send(head + "\r\n");
    const auto answer = client.answer();
    CHECK(answer.status == 401);
    CHECK(answer.header("Connection") == "close");
  }
  SECTION("another expectation") {
    RawClient client(server.port());
    client.send("GET /health HTTP/1.1\r\nHost: localhost\r\nExpect: cake\r\n\r\n");
    CHECK(client.answer().status == 417);
  }
}

TEST_CASE("Requests that can be read in two ways are refused and end the connection") {
  TestServer server;
  const std::string post = "POST /api/v1/things HTTP/1.1\r\nHost: localhost\r\n" + std::string(kKey);
  struct Case {
    std::string bytes;
    int status;
  };
  const std::vector<Case> cases{
      {post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400},
      {post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400},
      {post + "Content-Length: -1\r\n\r\n", 400},
      {post + "Content-Length: 3x\r\n\r\nabc", 400},
      {post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
      {post + "Transfer-Encoding: identity\r\n\r\n", 501},
      {post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcXX0\r\n\r\n", 400},
      {"GET /health HTTP/1.1\r\n\r\n", 400},
      {"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET /health HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
      {"GET /health HTTP/1.1\r\nHost : localhost\r\n\r\n", 400},
      {"GET /health HTTP/1.1\nHost: localhost\n\n", 505},  // what follows the version is taken for a part of it
      {"GET /health HTTP/2.0\r\nHost: localhost\r\n\r\n", 505},
      {"GET  /health HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
      {"GET health HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
      {"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a" + std::string(1, '\0') + "b\r\n\r\n", 400},
      {"nonsense\r\n\r\n", 400},
  };
  for (const auto& [bytes, status] : cases) {
    INFO(printable(bytes));
    RawClient client(server.port());
    client.send(bytes);
    CHECK(client.answer().status == status);
    CHECK(client.closed());
  }
  CHECK(RawClient(server.port()).get("/health").status == 200);
}

TEST_CASE("Absolute targets, empty lines before a request and HTTP/1.0 are served") {
  TestServer server;
  RawClient client(server.port());
  client.send("\r\n\r\nGET https://localhost/health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  CHECK(client.answer().status == 200);
  client.send("GET /health HTTP/1.0\r\n\r\n");
  const auto answer = client.answer();
  CHECK(answer.status == 200);
  CHECK(answer.header("Connection") == "close");
  CHECK(client.closed());
}

TEST_CASE("Slow clients are cut by the limit that they miss") {
  TestServer server([](ServerOptions& options) {
    options.limits.handshake = 200ms;
    options.limits.read_header = 200ms;
    options.limits.read = 300ms;
    options.limits.idle = 400ms;
  });
  SECTION("no handshake") {
    const int descriptor = connect_to(server.port());
    char byte;
    CHECK(::recv(descriptor, &byte, 1, 0) <= 0);
    ::close(descriptor);
  }
  SECTION("a head that drips") {
    RawClient client(server.port());
    client.send("GET /health HTT");
    CHECK(client.answer().status == 408);
    CHECK(client.closed());
  }
  SECTION("a body that drips") {
    RawClient client(server.port());
    client.send("POST /api/v1/things HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n" + std::string(kKey) +
                "\r\nabc");
    CHECK(client.answer().status == 408);
    CHECK(client.closed());
  }
  SECTION("silence after an answer") {
    RawClient client(server.port());
    CHECK(client.get("/health").status == 200);
    CHECK(client.closed());
  }
}

TEST_CASE("A stream arrives chunk by chunk, and a broken one is cut instead of ended") {
  TestServer server;
  RawClient client(server.port());
  const auto streamed = client.get("/api/v1/stream/1000", kKey);
  CHECK(streamed.header("Transfer-Encoding") == "chunked");
  CHECK(split(streamed.body, '\n').size() == 1001);
  CHECK(client.get("/health").status == 200);
  client.send("GET /api/v1/broken-stream HTTP/1.1\r\nHost: localhost\r\n" + std::string(kKey) + "\r\n");
  const auto rest = client.read_all();
  CHECK(rest.find("first") != std::string::npos);
  CHECK(rest.find("\r\n0\r\n") == std::string::npos);
}

TEST_CASE("A reader that stops holds no thread, and gets all of a large answer when it goes on") {
  TestServer server([](ServerOptions& options) { options.limits.workers = 1; });
  RawClient slow(server.port());
  slow.send("GET /api/v1/large HTTP/1.1\r\nHost: localhost\r\n" + std::string(kKey) + "\r\n");
  REQUIRE(eventually([&] { return server.server->stats().busy == 1 && server.server->stats().workers_busy == 0; }));
  RawClient other(server.port());
  CHECK(other.get("/api/v1/things/x", kKey).status == 200);
  CHECK(slow.answer().body.size() == 5'000'000);
}

TEST_CASE("A full queue sheds with 503 while urgent routes are still served") {
  TestServer server([](ServerOptions& options) {
    options.limits.workers = 1;
    options.limits.queue = 1;
  });
  const std::string slow = "GET /api/v1/slow HTTP/1.1\r\nHost: localhost\r\n" + std::string(kKey) + "\r\n";
  RawClient first(server.port());
  first.send(slow);
  REQUIRE(eventually([&] { return server.gate.waiting() == 1; }));
  RawClient second(server.port());
  second.send(slow);
  REQUIRE(eventually([&] { return server.server->stats().queued == 1; }));

  RawClient third(server.port());
  const auto shed = third.get("/api/v1/things/x", kKey);
  CHECK(shed.status == 503);
  CHECK(shed.header("Retry-After") == "1");
  CHECK(third.get("/health").status == 200);
  server.gate.open();
  CHECK(first.answer().status == 200);
  CHECK(second.answer().status == 200);
  CHECK(server.server->stats().shed_queue == 1);
}

TEST_CASE("A long poll parks without a thread and ends at its own time") {
  TestServer server([](ServerOptions& options) { options.limits.workers = 1; });
  RawClient poll(server.port());
  poll.send("GET /api/v1/agents/agent-1/work?wait=1500 HTTP/1.1\r\nHost: localhost\r\n" + kAgentKey + "\r\n");
  REQUIRE(eventually([&] { return server.server->stats().parked == 1; }));
  CHECK(eventually([&] { return server.server->stats().workers_busy == 0; }, 1s));
  CHECK(server.server->stats().parked == 1);
  CHECK(poll.answer().body == "{\"jobs\":[]}\n");
  CHECK(server.server->stats().parked == 0);
  CHECK(poll.get("/health").status == 200);
}

TEST_CASE("A client that leaves during a long poll cancels it") {
  TestServer server;
  {
    RawClient poll(server.port());
    poll.send("GET /api/v1/agents/agent-1/work?wait=60000 HTTP/1.1\r\nHost: localhost\r\n" + kAgentKey + "\r\n");
    REQUIRE(eventually([&] { return server.server->stats().parked == 1; }));
  }
  CHECK(eventually([&] { return server.cancelled_polls == 1; }));
  CHECK(eventually([&] { return server.server->stats().connections == 0; }));
}

TEST_CASE("A handler that forgets its reply costs the client a 500, not its patience") {
  TestServer server;
  RawClient client(server.port());
  CHECK(client.get("/api/v1/forgotten", kKey).status == 500);
}

TEST_CASE("Stopping answers parked polls, lets a handler finish, closes idle connections and refuses new ones") {
  TestServer server;
  RawClient idle(server.port());
  CHECK(idle.get("/health").status == 200);
  RawClient poll(server.port());
  poll.send("GET /api/v1/agents/agent-1/work?wait=60000 HTTP/1.1\r\nHost: localhost\r\n" + kAgentKey + "\r\n");
  RawClient working(server.port());
  working.send("GET /api/v1/slow HTTP/1.1\r\nHost: localhost\r\n" + std::string(kKey) + "\r\n");
  REQUIRE(eventually([&] { return server.gate.waiting() == 1 && server.server->stats().parked == 1; }));
  const auto port = server.port();

  std::size_t cut = 99;
  std::thread stopper([&] { cut = server.server->stop(10s); });
  const auto drained = poll.answer();
  CHECK(drained.body == "{\"jobs\":[],\"draining\":true}\n");
  CHECK(drained.header("Connection") == "close");
  CHECK(idle.closed());
  CHECK(eventually([&] { return connect_to(port) < 0; }));
  server.gate.open();
  const auto finished = working.answer();
  CHECK(finished.body == "{\"slow\":true}\n");
  CHECK(finished.header("Connection") == "close");
  stopper.join();
  CHECK(cut == 0);
}

TEST_CASE("What is left at the end of the drain is cut") {
  TestServer server;
  RawClient working(server.port());
  working.send("GET /api/v1/slow HTTP/1.1\r\nHost: localhost\r\n" + std::string(kKey) + "\r\n");
  REQUIRE(eventually([&] { return server.gate.waiting() == 1; }));
  std::size_t cut = 0;
  std::thread stopper([&] { cut = server.server->stop(50ms); });
  CHECK(working.closed());
  server.gate.open();
  stopper.join();
  CHECK(cut == 1);
}

TEST_CASE("During the announcement of a drain new requests are served and told to go") {
  TestServer server;
  RawClient known(server.port());
  CHECK(known.get("/health").header("Connection").empty());
  server.server->begin_drain();
  CHECK(known.closed());
  RawClient fresh(server.port());
  const auto answer = fresh.get("/health");
  CHECK(answer.status == 200);
  CHECK(answer.header("Connection") == "close");
}

std::string served_fingerprint(std::uint16_t port) {
  const auto output = run("openssl s_client -connect 127.0.0.1:" + std::to_string(port) +
                          " </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256");
  return output.text.substr(output.text.find('=') + 1);
}

TEST_CASE("Under load the certificate is replaced without losing a request, and a bad pair keeps the old one") {
  TestServer server;
  const auto before = served_fingerprint(server.port());
  std::atomic<bool> going{true};
  std::atomic<int> fine{0}, lost{0};
  std::vector<std::thread> load;
  for (int i = 0; i < 3; ++i) {
    load.emplace_back([&] {
      while (going) {
        RawClient client(server.port());
        for (int n = 0; n < 3; ++n) (client.connected() && client.get("/health").status == 200 ? fine : lost)++;
      }
    });
  }
  REQUIRE(eventually([&] { return fine > 10; }));
  const TestCertificate next(server.folder, "next");
  std::filesystem::copy_file(next.cert, server.certificate.cert, std::filesystem::copy_options::overwrite_existing);
  CHECK(server.server->reload_tls().find("pair invalid") != std::string::npos);
  CHECK(served_fingerprint(server.port()) == before);
  std::filesystem::copy_file(next.key, server.certificate.key, std::filesystem::copy_options::overwrite_existing);
  CHECK(server.server->reload_tls().empty());
  const auto after = served_fingerprint(server.port());
  CHECK(after != before);
  const int seen = fine;
  CHECK(eventually([&] { return fine > seen + 10; }));
  going = false;
  for (auto& thread : load) thread.join();
  CHECK(lost == 0);
  CHECK(server.server->certificate().subject == "CN=next");
}

TEST_CASE("A changed certificate file is noticed without a signal") {
  TestServer server([](ServerOptions& options) { options.tls_reload_interval = 20ms; });
  const TestCertificate next(server.folder, "next");
  std::filesystem::rename(next.key, server.certificate.key);
  std::filesystem::rename(next.cert, server.certificate.cert);
  CHECK(eventually([&] { return server.server->certificate().subject == "CN=next"; }));
}

TEST_CASE("A server that cannot serve says why before it opens a port") {
  TestServer running;
  const auto attempt = [&](std::function<void(ServerOptions&)> adjust) {
    ServerOptions options;
    options.tls_cert_path = running.certificate.cert;
    options.tls_key_path = running.certificate.key;
    adjust(options);
    try {
      Server server(options, *running.chain);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("started");
  };
  const TestCertificate other(running.folder, "other");
  CHECK_THAT(attempt([](auto& o) { o.tls_cert_path = ""; }), Catch::StartsWith("server TLS cert path is required"));
  CHECK_THAT(attempt([](auto& o) { o.tls_key_path = "/nonexistent"; }),
             Catch::StartsWith("server TLS key file unreadable at \"/nonexistent\""));
  CHECK_THAT(attempt([&](auto& o) { o.tls_key_path = other.key; }),
             Catch::StartsWith("server TLS cert/key pair invalid (cert=\""));
  CHECK_THAT(attempt([&](auto& o) { o.port = running.port(); }), Catch::Contains("is in use"));
  CHECK_THAT(attempt([](auto& o) { o.hosts = {"no.such.host.invalid"}; }), Catch::Contains("cannot be resolved"));
  ::chmod(other.key.c_str(), 0644);
  CHECK_THAT(attempt([&](auto& o) { o.tls_cert_path = other.cert, o.tls_key_path = other.key; }),
             Catch::Contains("chmod 600"));
}

TEST_CASE("One address may hold only so many connections until it shows a key") {
  TestServer server([](ServerOptions& options) { options.limits.connections_per_ip = 2; });
  RawClient first(server.port()), second(server.port());
  CHECK(first.get("/health").status == 200);
  CHECK(second.get("/health").status == 200);
  CHECK_FALSE(RawClient(server.port()).connected());
  CHECK(first.get("/api/v1/things/x", kKey).status == 200);
  RawClient third(server.port());
  CHECK(third.get("/health").status == 200);
}

TEST_CASE("Connections over the total are closed at once") {
  TestServer server([](ServerOptions& options) { options.limits.connections = 1; });
  RawClient first(server.port());
  CHECK(first.get("/health").status == 200);
  CHECK_FALSE(RawClient(server.port()).connected());
  CHECK(server.server->stats().shed_connections == 1);
}

TEST_CASE("Broken and random requests never stop the listener") {
  TestServer server([](ServerOptions& options) {
    options.limits.read_header = 100ms;
    options.limits.read = 100ms;
    options.limits.idle = 100ms;
  });
  const std::vector<std::string> seeds{
      "GET /api/v1/things/a HTTP/1.1\r\nHost: localhost\r\n" + std::string(kKey) + "\r\n",
      "POST /api/v1/things HTTP/1.1\r\nHost: localhost\r\n" + std::string(kKey) +
          "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
      "POST /api/v1/things HTTP/1.1\r\nHost: localhost\r\n" + std::string(kKey) +
          "Content-Length: 5\r\nExpect: 100-continue\r\n\r\nabcde",
      "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nOrigin: https://a\r\n\r\n",
  };
  std::mt19937 random(20240607);  // the same every time, so that a failure can be repeated
  const auto pick = [&](std::size_t most) { return std::size_t(random() % most); };
  for (int round = 0; round < 400; ++round) {
    std::string bytes = seeds[pick(seeds.size())];
    for (std::size_t change = 0; change < 1 + pick(6); ++change) {
      const auto at = pick(bytes.size());
      switch (pick(5)) {
        case 0:
          bytes[at] = char(random());
          break;
        case 1:
          bytes.erase(at, 1 + pick(8));
          break;
        case 2:
          bytes.insert(at, std::string(1 + pick(300), char(random())));
          break;
        case 3:
          bytes.insert(at, bytes.substr(pick(bytes.size()), 40));
          break;
        case 4:
          bytes.resize(at + 1);
          break;
      }
      if (bytes.empty()) bytes = "\r\n";
    }
    RawClient client(server.port());
    client.send(bytes);
    if (round % 3 == 0) client.read_all();
  }
  // And bytes that are no TLS at all.
  for (int round = 0; round < 50; ++round) {
    const int descriptor = connect_to(server.port());
    std::string noise(1 + pick(2000), '\0');
    for (char& byte : noise) byte = char(random());
    CHECK(::send(descriptor, noise.data(), noise.size(), MSG_NOSIGNAL) > 0);
    ::close(descriptor);
  }
  CHECK(RawClient(server.port()).get("/health").status == 200);
  CHECK(eventually([&] { return server.server->stats().connections == 0; }));
  CHECK(server.server->stats().busy == 0);
}

}  // namespace
}  // namespace certctl::http::test
