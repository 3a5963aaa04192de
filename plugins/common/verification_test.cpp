#include "plugins/common/verification.hpp"

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>

#include "plugins/common/common_test_support.hpp"
#include "plugins/common/file_access.hpp"
#include "plugins/common/tls_probe.hpp"

using namespace certctl;
using namespace certctl::common;
using namespace std::chrono_literals;

extern char** environ;

namespace {

std::uint16_t free_port() {
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) throw std::runtime_error("bind");
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

/// `openssl s_server` with the given options, ended with the object.
class ForeignServer {
 public:
  ForeignServer(const TestFolder& folder, const std::string& options) : port_(free_port()) {
    const std::string command = "cd " + folder.path() + " && exec openssl s_server -quiet -accept 127.0.0.1:" +
                                std::to_string(port_) + " " + options + " >/dev/null 2>&1 </dev/null";
    const char* arguments[] = {"/bin/sh", "-c", command.c_str(), nullptr};
    if (::posix_spawn(&pid_, "/bin/sh", nullptr, nullptr, const_cast<char**>(arguments), environ) != 0) {
      throw std::runtime_error("posix_spawn");
    }
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (!answers()) {
      if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("s_server does not answer");
      ::poll(nullptr, 0, 20);
    }
  }
  ForeignServer(const ForeignServer&) = delete;
  ForeignServer& operator=(const ForeignServer&) = delete;
  ~ForeignServer() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Endpoint endpoint() const { return {"127.0.0.1", port_}; }

 private:
  bool answers() const {
    const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  std::uint16_t port_;
  pid_t pid_ = 0;
};

void lay_out(const TestFolder& folder, const std::string& name, const TestCertificate& made) {
  folder.write(name + ".pem", made.leaf);
  folder.write(name + ".key", made.key);
  folder.write(name + ".chain", made.chain);
}

VerifySettings quick(int attempts = 1) {
  VerifySettings settings;
  settings.delay = 0ms;
  settings.backoff = 10ms;
  settings.attempts = attempts;
  settings.timeout = 2s;
  return settings;
}

bool always(std::chrono::milliseconds) { return true; }

}  // namespace

TEST_CASE("the certificate that is served is recognised, without any trust in it") {
  const TestCa ca;
  const TestFolder folder;
  const TestCertificate made = ca.issue("a.example");
  lay_out(folder, "a", made);
  const ForeignServer server(folder, "-cert a.pem -key a.key -cert_chain a.chain");
  const auto result = verify_served(quick(), server.endpoint(), {made.fingerprint, "ECDSA", "a.example", {}}, always);
  CHECK(result.status == Verification::Status::success);
  CHECK(result.actual == made.fingerprint);
  CHECK(result.attempts == 1);
  CHECK(result.error.empty());
}

TEST_CASE("another certificate is a mismatch, after all attempts with growing waits") {
  const TestCa ca;
  const TestFolder folder;
  const TestCertificate made = ca.issue("a.example");
  lay_out(folder, "a", made);
  const ForeignServer server(folder, "-cert a.pem -key a.key");
  std::vector<std::int64_t> waits;
  VerifySettings settings = quick(4);
  settings.max_backoff = 15ms;
  const std::string wanted(64, '0');
  const auto result = verify_served(settings, server.endpoint(), {wanted, "ECDSA", "a.example", {}},
                                    [&](std::chrono::milliseconds wait) {
                                      waits.push_back(wait.count());
                                      return true;
                                    });
  CHECK(result.status == Verification::Status::failed);
  CHECK(result.error == "post-deploy TLS verify SHA-256 mismatch: got " + made.fingerprint + ", want " + wanted);
  CHECK(result.attempts == 4);
  CHECK(waits == std::vector<std::int64_t>{0, 10, 15, 15});
}

TEST_CASE("a server with two key types shows the one that was deployed") {
  const TestCa ca;
  const TestFolder folder;
  const TestCertificate ec = ca.issue("a.example");
  const TestCertificate rsa = ca.issue("a.example", "rsa:2048");
  lay_out(folder, "ec", ec);
  lay_out(folder, "rsa", rsa);
  for (const std::string version : {"-tls1_3", "-tls1_2"}) {
    CAPTURE(version);
    const ForeignServer server(folder, "-cert ec.pem -key ec.key -dcert rsa.pem -dkey rsa.key " + version);
    CHECK(verify_served(quick(), server.endpoint(), {ec.fingerprint, "ECDSA", "", {}}, always).error.empty());
    CHECK(verify_served(quick(), server.endpoint(), {rsa.fingerprint, "RSA", "", {}}, always).error.empty());
  }
}

TEST_CASE("the name asked for is the leaf's, a wildcard filled in") {
  const TestCa ca;
  const TestFolder folder;
  const TestCertificate by_default = ca.issue("other.example");
  const TestCertificate by_name = ca.issue("a.example");
  lay_out(folder, "a", by_default);
  lay_out(folder, "b", by_name);
  const ForeignServer server(folder,
                             "-cert a.pem -key a.key -cert2 b.pem -key2 b.key -servername certctl-verify.a.example");
  CHECK(verify_served(quick(), server.endpoint(), {by_name.fingerprint, "", "*.a.example", {}}, always).error.empty());
  CHECK(verify_served(quick(), server.endpoint(), {by_default.fingerprint, "", "", {}}, always).error.empty());
}

TEST_CASE("an intermediate that is not sent is a warning only") {
  const TestCa ca;
  const TestFolder folder;
  const TestCertificate made = ca.issue("a.example");
  lay_out(folder, "a", made);
  const ForeignServer server(folder, "-cert a.pem -key a.key");
  const auto result =
      verify_served(quick(), server.endpoint(),
                    {made.fingerprint, "", "a.example", {std::string(64, '1'), std::string(64, '2')}}, always);
  CHECK(result.status == Verification::Status::success);
  CHECK_THAT(result.warning, Catch::Contains("does not send the intermediate certificate"));
}

TEST_CASE("nobody listening, no TLS and silence are failed probes that end in time") {
  const Endpoint nobody{"127.0.0.1", free_port()};
  CHECK_THAT(verify_served(quick(), nobody, {"x", "", "", {}}, always).error,
             Catch::StartsWith("TLS probe failed: connect to 127.0.0.1"));

  const Descriptor silent(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(silent.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::listen(silent.get(), 5) == 0);
  ::getsockname(silent.get(), reinterpret_cast<sockaddr*>(&address), &size);
  VerifySettings settings = quick();
  settings.timeout = 200ms;
  CHECK(verify_served(settings, {"127.0.0.1", ntohs(address.sin_port)}, {"x", "", "", {}}, always).error ==
        "TLS probe failed: timed out while shaking hands");
  CHECK_THAT(verify_served(quick(), {"no.such.host.invalid", 443}, {"x", "", "", {}}, always).error,
             Catch::StartsWith("TLS probe failed: no.such.host.invalid"));
}
