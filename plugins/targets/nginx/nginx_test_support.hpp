#pragma once

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/base/clock.hpp"
#include "core/base/text.hpp"
#include "core/crypto/self_signed.hpp"
#include "core/plugin/host.hpp"
#include "core/plugin_services/standard_services.hpp"

/// A real nginx with a configuration, a port and a folder of its own, and the connector aimed at it.
namespace certctl::nginx_test {

using namespace std::chrono_literals;
using crypto::Identity;

inline Time now() { return SystemClock().now(); }

struct Shell {
  int status;
  std::string output;
};
inline Shell run(const std::string& command) {
  std::FILE* pipe = ::popen(("{ " + command + "; } 2>&1").c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("popen failed");
  std::string output;
  std::array<char, 4096> chunk;
  while (const std::size_t size = std::fread(chunk.data(), 1, chunk.size(), pipe)) output.append(chunk.data(), size);
  const int status = ::pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, output};
}

inline std::uint16_t free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool bound = ::bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0;
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(socket);
  if (!bound) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

/// Waits for a condition, up to ten seconds.
template <typename F>
bool eventually(F&& condition) {
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::poll(nullptr, 0, 20);
  }
  return true;
}

inline std::string key_text(const Identity& identity) {
  return identity.key.to_pem(crypto::KeyForm::traditional).use([](std::string_view text) { return std::string(text); });
}

/// A CA of the test and the certificates it has issued.
class Authority {
 public:
  Identity issue(const std::string& name, const std::string& algorithm = "ECDSA-P256") const {
    return crypto::issue_server_certificate(root_, {.names = {name}, .key_algorithm = algorithm}, now());
  }

 private:
  Identity root_ = crypto::make_root({}, now());
};

class RealNginx {
 public:
  explicit RealNginx(const Identity& installed) : port_(free_port()) {
    std::string name = (std::filesystem::temp_directory_path() / "certctl-nginx-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    folder_ = std::filesystem::canonical(name);
    std::filesystem::permissions(folder_, std::filesystem::perms(0755));
    std::filesystem::create_directories(folder_ / "conf.d");
    std::filesystem::create_directories(folder_ / "tls");
    write("tls/cert.pem", installed.full_pem(), 0644);
    write("tls/key.pem", key_text(installed), 0640);
    write("nginx.conf", fmt::format("worker_processes 1;\npid {0}/nginx.pid;\nerror_log {0}/error.log;\n"
                                    "events {{ worker_connections 64; }}\nhttp {{\n access_log off;\n"
                                    " client_body_temp_path {0}/t1; proxy_temp_path {0}/t2; fastcgi_temp_path {0}/t3;\n"
                                    " uwsgi_temp_path {0}/t4; scgi_temp_path {0}/t5;\n include conf.d/*.conf;\n}}\n",
                                    folder_.string()));
    write("conf.d/site.conf",
          fmt::format("server {{ # the site\n  listen 127.0.0.1:{} ssl;\n  server_name www.example.com;\n"
                      "  include tls.inc;\n  location / {{ return 200 \"ok\\n\"; }}\n}}\n",
                      port_));
    write("tls.inc", "ssl_certificate tls/cert.pem;\nssl_certificate_key tls/key.pem;\n");
    start();
  }
  RealNginx(const RealNginx&) = delete;
  RealNginx& operator=(const RealNginx&) = delete;
  ~RealNginx() {
    stop();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  void start() {
    const Shell started = run(command(""));
    if (started.status != 0) throw std::runtime_error("nginx does not start: " + started.output);
    if (!eventually([&] { return !served().empty(); })) throw std::runtime_error("nginx does not answer");
  }
  void stop() {
    const pid_t pid = master();
    if (pid <= 0) return;
    ::kill(pid, SIGTERM);
    eventually([&] { return ::kill(pid, 0) != 0; });
  }
  pid_t master() const {
    std::ifstream file(folder_ / "nginx.pid");
    pid_t pid = 0;
    file >> pid;
    return pid;
  }

  std::string command(const std::string& flags) const {
    return fmt::format("nginx {1} -c {0}/nginx.conf -p {0} -e {0}/error.log", folder_.string(), flags);
  }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  void write(const std::string& name, const std::string& content, int mode = 0644) const {
    std::ofstream(folder_ / name, std::ios::binary) << content;
    std::filesystem::permissions(folder_ / name, std::filesystem::perms(mode));
  }
  std::string read(const std::string& name) const {
    std::ifstream in(folder_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::vector<std::string> names(const std::string& part) const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "tls")) {
      const std::string name = entry.path().filename();
      if (name.find(part) != std::string::npos) found.push_back(name);
    }
    return found;
  }
  std::uint16_t port() const { return port_; }

  /// Fingerprint of what is served now, as the openssl program sees it; empty: nobody answers.
  std::string served() const {
    const Shell shell =
        run(fmt::format("openssl s_client -connect 127.0.0.1:{} -servername www.example.com </dev/null 2>/dev/null"
                        " | openssl x509 -outform DER 2>/dev/null | sha256sum",
                        port_));
    constexpr std::string_view kOfNothing = "e3b0c442";
    return shell.output.starts_with(kOfNothing) ? std::string() : shell.output.substr(0, 64);
  }
  bool holds(const Identity& identity) const {
    return read("tls/cert.pem") == identity.full_pem() && read("tls/key.pem") == key_text(identity);
  }

  /// Settings of the target; `more`: further members, beginning with a comma.
  std::string settings(const std::string& more = "") const {
    return fmt::format(R"({{"cert_path":"{0}","key_path":"{1}","validate_command":"{2}","reload_command":"{3}",)"
                       R"("post_deploy_verify":{{"delay":"100ms","timeout":"2s"}},"post_deploy_verify_attempts":25,)"
                       R"("post_deploy_verify_backoff":"200ms","post_deploy_verify_max_backoff":"200ms"{4}}})",
                       path("tls/cert.pem"), path("tls/key.pem"), command("-t"), command("-s reload"), more);
  }

 private:
  std::filesystem::path folder_;
  std::uint16_t port_;
};

/// The built plugin in the host, with the services of the product.
class Connector {
 public:
  Connector()
      : host_({std::getenv("CERTCTL_TEST_PLUGIN_DIR") ? std::getenv("CERTCTL_TEST_PLUGIN_DIR") : "plugins"},
              std::make_shared<SystemClock>()),
        services_(plugin::standard_services({})) {}

  plugin::Outcome call(const std::string& operation, const std::string& settings, plugin::Fields in) {
    const auto& connector = host_.get("target", "NGINX");
    const auto checked = connector.schema().check(json::raw(settings));
    if (!checked.usable()) throw std::runtime_error("settings do not fit the schema");
    plugin::Call call;
    call.in = std::move(in);
    call.timeout = 60s;
    call.checkpoint = [this](std::span<const std::uint8_t> bytes) {
      token.assign(as_text(bytes));
      return true;
    };
    const auto instance = connector.create({"target-1", checked.config, services_, {}});
    return instance->call(operation, std::move(call));
  }
  plugin::Outcome deploy(const RealNginx& nginx, const Identity& what, const std::string& more = "") {
    return call("deploy", nginx.settings(more), material(nginx, what));
  }

  static plugin::Fields material(const RealNginx& nginx, const Identity& what) {
    return material(nginx.path("state"), what);
  }
  static plugin::Fields material(const std::string& state_dir, const Identity& what) {
    plugin::Fields in;
    std::string chain;
    for (const auto& issuer : what.chain) chain += issuer.pem();
    in.add(CERTCTL_KEY_LEAF, what.certificate.pem())
        .add(CERTCTL_KEY_CHAIN, chain)
        .add(CERTCTL_KEY_STATE_DIR, state_dir);
    in.add(CERTCTL_KEY_TARGET_ID, "target-1")
        .add(CERTCTL_KEY_JOB_ID, "job-1")
        .add(CERTCTL_KEY_CERTIFICATE_ID, "mc-www");
    what.key.to_pem().use([&](std::string_view text) { in.add(CERTCTL_KEY_KEY_PKCS8, text); });
    in.add(CERTCTL_KEY_KEY_ORIGINAL, key_text(what));
    in.add_bytes(CERTCTL_KEY_EXPECTED_SHA256, from_hex(what.certificate.fingerprint_sha256()).value());
    return in;
  }

  std::vector<plugin::Finding> validate(const std::string& settings) const {
    return host_.get("target", "NGINX").validate(json::raw(settings));
  }

  std::string token;

 private:
  plugin::Host host_;
  std::shared_ptr<plugin::Services> services_;
};

inline std::string meta(const plugin::Outcome& outcome, std::string_view name) {
  for (const auto& [key, value] : outcome.out.map(CERTCTL_KEY_META)) {
    if (key == name) return value;
  }
  return {};
}

}  // namespace certctl::nginx_test
