#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/integration/fixture.hpp"
#include "core/base/json.hpp"

namespace certctl::agent::test {
namespace {

using Catch::Matchers::Contains;

/// A port that was free a moment ago.
int free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  ::close(descriptor);
  return ntohs(address.sin_port);
}

/// A private nginx with one TLS server; starts with a certificate of nobody.
class Nginx {
 public:
  explicit Nginx(const Scene& scene) : folder_(scene.folder / "nginx"), port_(free_port()) {
    fs::create_directory(folder_);
    crypto::ServerOptions names;
    names.names = {"nobody.example"};
    const auto now = SystemClock().now();
    const auto nobody = crypto::issue_server_certificate(crypto::make_root({}, now), names, now);
    write_durably(scene.certificate_file("mc-1"), nobody.full_pem());
    nobody.key.to_pem().use([&](std::string_view pem) { write_durably(scene.key_file("mc-1"), pem); });
    write_durably(
        configuration(),
        fmt::format("{}daemon off;\npid {}/nginx.pid;\nerror_log {}/error.log;\nevents {{ worker_connections 32; }}\n"
                    "http {{ access_log off; server {{ listen 127.0.0.1:{} ssl; server_name web.example;\n"
                    "ssl_certificate {}; ssl_certificate_key {}; }} }}\n",
                    ::geteuid() == 0 ? "user root;\n" : "", folder_.string(), folder_.string(), port_,
                    scene.certificate_file("mc-1").string(), scene.key_file("mc-1").string()));
    process_.emplace("/usr/sbin/nginx",
                     std::vector<std::string>{"-c", configuration().string(), "-p", folder_.string()},
                     std::map<std::string, std::string>{}, folder_ / "nginx.log");
  }
  ~Nginx() {
    process_->send(SIGTERM);
    process_->wait(10s);
  }

  std::string command(const std::string& what) const {
    return fmt::format("/usr/sbin/nginx -c {} -p {} {}", configuration().string(), folder_.string(), what);
  }
  int port() const { return port_; }
  bool ready() { return process_->running() && fs::exists(folder_ / "nginx.pid"); }
  std::string log() const { return process_->log(); }

 private:
  fs::path configuration() const { return folder_ / "nginx.conf"; }

  fs::path folder_;
  int port_;
  std::optional<Process> process_;
};

TEST_CASE("A real nginx serves the certificate, and the agent has looked") {
  Scene scene;
  Nginx nginx(scene);
  REQUIRE(scene.control_plane.wait([&] { return nginx.ready(); }));
  auto order = scene.order("mc-1");
  order.target_config = fmt::format(
      R"({{"cert_path":"{}","key_path":"{}","validate_command":"{}","reload_command":"{}","post_deploy_verify":{{"endpoint":"127.0.0.1:{}"}}}})",
      scene.certificate_file("mc-1").string(), scene.key_file("mc-1").string(), nginx.command("-t"),
      nginx.command("-s reload"), nginx.port());
  scene.control_plane.order(order);
  Process agent = scene.start({{"CERTCTL_VERIFY_DELAY", "200ms"}});
  const bool deployed = scene.wait_deployed("mc-1");
  INFO(scene.log());
  REQUIRE(deployed);
  scene.check_installed("mc-1");

  const std::string job = scene.control_plane.deployment_of("mc-1");
  const std::string fingerprint = scene.control_plane.versions("mc-1").back().fingerprint;
  const auto received = scene.control_plane.received(job);
  const auto verification =
      std::find_if(received.begin(), received.end(), [](const auto& one) { return one.status == "verify"; });
  REQUIRE(verification != received.end());
  const auto verified = json::parse(verification->body);
  CHECK(json::flag_or(verified, "verified", false));
  CHECK(json::text_or(verified, "actual_fingerprint") == fingerprint);
  CHECK(json::text_or(verified, "target_id") == "tgt-mc-1");
  const auto report = json::parse(received.back().body);
  CHECK(json::text_of(*json::at(report, "/deployment/verification/status")) == "success");
  CHECK(json::text_of(*json::at(report, "/deployment/verification/endpoint")) ==
        fmt::format("127.0.0.1:{}", nginx.port()));
}

TEST_CASE("A real nginx that refuses its configuration keeps the old certificate") {
  Scene scene;
  Nginx nginx(scene);
  REQUIRE(scene.control_plane.wait([&] { return nginx.ready(); }));
  const auto before = read_file(scene.certificate_file("mc-1"));
  auto order = scene.order("mc-1");
  order.target_config =
      fmt::format(R"({{"cert_path":"{}","key_path":"{}","validate_command":"{}","reload_command":"{}"}})",
                  scene.certificate_file("mc-1").string(), scene.key_file("mc-1").string(),
                  nginx.command("-t -g nonsense"), nginx.command("-s reload"));
  scene.control_plane.order(order);
  Process agent = scene.start();
  REQUIRE(scene.control_plane.wait(
      [&] { return scene.control_plane.job_status(scene.control_plane.deployment_of("mc-1")) == "Failed"; }));
  CHECK_THAT(
      json::text_or(json::parse(scene.control_plane.received(scene.control_plane.deployment_of("mc-1")).back().body),
                    "error"),
      Contains("deploy: validate (PreCommit) failed: nginx -t failed"));
  CHECK(read_file(scene.certificate_file("mc-1")) == before);
}

}  // namespace
}  // namespace certctl::agent::test
