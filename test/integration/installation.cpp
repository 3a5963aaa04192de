#include "test/integration/installation.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/ssl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <stdexcept>
#include <thread>

#include "core/crypto/certificate.hpp"
#include "core/crypto/self_signed.hpp"
#include "core/http/ssrf.hpp"

namespace certctl::test {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

void write(const fs::path& path, const std::string& text, mode_t mode) {
  std::ofstream(path, std::ios::trunc) << text;
  ::chmod(path.c_str(), mode);
}

/// The account that the server becomes when the tests run as root.
std::string run_as() {
  for (const char* name : {"certctl", "postgres", "nobody"}) {
    if (::getpwnam(name) != nullptr) return name;
  }
  throw std::runtime_error("there is no account to run the server as");
}

}  // namespace

int free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool good = ::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                    ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(descriptor);
  if (!good) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

Installation::Installation() : server_port_(free_port()), site_port_(free_port()) {
  std::string pattern = (fs::temp_directory_path() / "certctl-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no folder for the test");
  folder_ = pattern;
  ::chmod(folder_.c_str(), 0755);  // the server's account must pass through
  // Older than any clock of these tests is slow.
  const auto now = SystemClock().now() - 1h;
  const auto root = crypto::make_root({.common_name = "Integration test root"}, now);
  const auto identity = crypto::issue_server_certificate(root, {.names = {"localhost", "127.0.0.1"}}, now);
  write(folder_ / "root.pem", root.certificate.pem(), 0644);
  write(folder_ / "server.pem", identity.full_pem(), 0644);
  identity.key.to_pem().use([&](std::string_view pem) { write(folder_ / "server.key", std::string(pem), 0600); });

  fs::create_directories(site());
  const auto placeholder = crypto::issue_server_certificate(root, {.names = {"localhost"}}, now);
  write(site() / "cert.pem", placeholder.full_pem(), 0644);
  placeholder.key.to_pem().use([&](std::string_view pem) { write(site() / "key.pem", std::string(pem), 0600); });
  write(nginx_config_path(),
        fmt::format("worker_processes 1;\ndaemon off;\npid {0}/nginx.pid;\nerror_log {0}/error.log;\nevents {{}}\n"
                    "http {{\n  access_log off;\n  client_body_temp_path {0}/b;\n  proxy_temp_path {0}/p;\n  fastcgi_temp_path {0}/f;\n"
                    "  uwsgi_temp_path {0}/u;\n  scgi_temp_path {0}/s;\n"
                    "  server {{\n    listen 127.0.0.1:{1} ssl;\n    server_name localhost;\n    ssl_certificate {0}/cert.pem;\n"
                    "    ssl_certificate_key {0}/key.pem;\n    location / {{ return 200 'ok'; }}\n  }}\n}}\n",
                    site().string(), site_port_),
        0644);
  http::ClientOptions options;
  options.policy = http::AddressPolicy(http::Guard::none, {}, {});
  options.ca_bundle_path = (folder_ / "root.pem").string();
  options.keep_alive = true;
  client_ = std::make_unique<http::Client>(std::move(options));
}

Installation::~Installation() {
  for (auto* process : {agent_.get(), server_.get(), nginx_.get()}) {
    if (process == nullptr) continue;
    process->send(SIGTERM);
    if (!process->wait(40s)) process->send(SIGKILL);
  }
  if (const int postgres = database_process(); postgres > 0) ::kill(postgres, SIGQUIT);
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void Installation::start_server(std::map<std::string, std::string> more) {
  const std::map<std::string, std::string> usual = {
      {"CERTCTL_SERVER_HOST", "127.0.0.1"},
      {"CERTCTL_SERVER_PORT", std::to_string(server_port_)},
      {"CERTCTL_SERVER_TLS_CERT_PATH", (folder_ / "server.pem").string()},
      {"CERTCTL_SERVER_TLS_KEY_PATH", (folder_ / "server.key").string()},
      {"CERTCTL_DATA_DIR", (folder_ / "data").string()},
      {"CERTCTL_RUNTIME_DIR", (folder_ / "run").string()},
      {"CERTCTL_RUN_AS", run_as()},
      {"CERTCTL_PLUGIN_DIR", built_plugins()},
      {"CERTCTL_API_KEYS_NAMED", std::string("admin:") + kKey + ":admin"},
      {"CERTCTL_CONFIG_ENCRYPTION_KEY", "integration-passphrase-0123456789abcdef"},
      {"CERTCTL_JOB_LEASE", "10s"},
      {"CERTCTL_RATE_LIMIT_RPS", "1000"},
      {"CERTCTL_RATE_LIMIT_BURST", "1000"},
      {"CERTCTL_AUTH_FAIL_LIMIT_PER_IP_MIN", "1000"},
  };
  for (const auto& [name, value] : usual) more.emplace(name, value);
  server_ = std::make_unique<Process>(built_program("certctl-server"), std::vector<std::string>{}, std::move(more), folder_ / "server.log");
  const bool ready = wait([&] {
    if (!server_->running()) throw std::runtime_error("the server ended:\n" + logs());
    return answers("/ready");
  }, 120s);
  if (!ready) throw std::runtime_error("the server does not become ready:\n" + logs());
}

void Installation::start_agent(std::map<std::string, std::string> more) {
  const std::map<std::string, std::string> usual = {
      {"CERTCTL_SERVER_URL", fmt::format("https://localhost:{}", server_port_)},
      {"CERTCTL_SERVER_CA_BUNDLE_PATH", (folder_ / "root.pem").string()},
      {"CERTCTL_API_KEY", kKey},
      {"CERTCTL_AGENT_ID", "ag-1"},
      {"CERTCTL_AGENT_NAME", "integration"},
      {"CERTCTL_KEY_DIR", (folder_ / "agent/keys").string()},
      {"CERTCTL_STATE_DIR", (folder_ / "agent").string()},
      {"CERTCTL_PLUGIN_DIR", built_plugins()},
      {"CERTCTL_VERIFY_DELAY", "100ms"},
      {"CERTCTL_HEARTBEAT_INTERVAL", "5s"},
  };
  for (const auto& [name, value] : usual) more.emplace(name, value);
  agent_ = std::make_unique<Process>(built_program("certctl-agent"), std::vector<std::string>{}, std::move(more), folder_ / "agent.log");
}

void Installation::start_nginx() {
  nginx_ = std::make_unique<Process>("/usr/sbin/nginx", std::vector<std::string>{"-c", nginx_config_path(), "-p", site().string()},
                                     std::map<std::string, std::string>{}, folder_ / "nginx.log");
  if (!wait([&] { return !served_fingerprint().empty(); }, 20s)) throw std::runtime_error("nginx does not serve:\n" + nginx_->log());
}

void Installation::kill_server() {
  server_->send(SIGKILL);
  server_->wait(20s);
}

void Installation::kill_agent() {
  agent_->send(SIGKILL);
  agent_->wait(20s);
}

int Installation::database_process() const {
  std::error_code not_yet;
  for (const auto& entry : fs::directory_iterator(folder_ / "data" / "pg", fs::directory_options::skip_permission_denied, not_yet)) {
    std::ifstream in(entry.path() / "postmaster.pid");
    int pid = 0;
    if (in >> pid) return pid;
  }
  return 0;
}

void Installation::signal_database(int signal) {
  const int postmaster = database_process();
  if (postmaster <= 0) return;
  ::kill(postmaster, signal);
  std::ifstream children(fmt::format("/proc/{0}/task/{0}/children", postmaster));
  for (int child = 0; children >> child;) ::kill(child, signal);
}

void Installation::kill_database() {
  const int postmaster = database_process();
  if (postmaster <= 0) throw std::runtime_error("no PostgreSQL is running");
  ::kill(postmaster, SIGKILL);
}

Answer Installation::call(const std::string& method, const std::string& path, const std::string& body, const std::string& key) {
  http::ClientRequest request;
  request.method = method;
  request.url = fmt::format("https://localhost:{}{}", server_port_, path);
  if (!key.empty()) request.headers.set("Authorization", "Bearer " + key);
  if (!body.empty()) request.headers.set("Content-Type", "application/json");
  request.body = body;
  const auto response = client_->send(request);
  return {response.status, response.body, response.headers};
}

bool Installation::answers(const std::string& path) {
  try {
    return call("GET", path).status == 200;
  } catch (const Error&) {
    return false;
  }
}

json::Document Installation::ask(const std::string& method, const std::string& path, const std::string& body) {
  const auto answer = call(method, "/api/v1" + path, body);
  if (answer.status >= 300) throw std::runtime_error(fmt::format("{} {} answered {}: {}", method, path, answer.status, answer.text));
  return answer.body();
}

void Installation::lay_ground() {
  ask("POST", "/teams", R"({"id":"t-1","name":"Platform"})");
  ask("POST", "/owners", R"({"id":"o-1","name":"Alice","email":"alice@example.com","team_id":"t-1"})");
  ask("POST", "/profiles", R"({"id":"prof-1","name":"web"})");
  ask("POST", "/renewal-policies", R"({"id":"rp-1","name":"standard","retry_interval_seconds":60})");
  ask("POST", "/issuers", R"({"id":"iss-1","name":"Test CA","type":"local","config":{"ca_common_name":"Integration CA","ca_key_algorithm":"ECDSA-P256"}})");
  ask("POST", "/agents", R"({"id":"ag-1","name":"integration","hostname":"localhost"})");
  const std::string nginx = fmt::format("/usr/sbin/nginx -c {} -p {}", nginx_config_path(), site().string());
  ask("POST", "/targets",
      fmt::format(R"({{"id":"tgt-1","name":"site","type":"NGINX","agent_id":"ag-1","config":{{"cert_path":"{0}/cert.pem","key_path":"{0}/key.pem",
                    "reload_command":"{1} -s reload","validate_command":"{1} -t","post_deploy_verify_backoff":"200ms",
                    "post_deploy_verify":{{"enabled":true,"endpoint":"127.0.0.1:{2}","timeout":"5s"}}}}}})",
                  site().string(), nginx, site_port_));
}

void Installation::create_certificate(const std::string& id, const std::string& profile, const std::string& issuer) {
  ask("POST", "/certificates",
      fmt::format(R"({{"id":"{0}","name":"{0}","common_name":"localhost","sans":["localhost","127.0.0.1"],"owner_id":"o-1","team_id":"t-1",
                    "issuer_id":"{2}","renewal_policy_id":"rp-1","certificate_profile_id":"{1}","target_ids":["tgt-1"]}})", id, profile, issuer));
}

bool Installation::wait(const std::function<bool()>& condition, std::chrono::seconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(50ms);
  }
  return true;
}

bool Installation::wait_served(const std::string& certificate_id, std::chrono::seconds limit) {
  return wait([&] {
    try {
      const auto certificate = ask("GET", "/certificates/" + certificate_id);
      return json::text_or(certificate, "status") == "Active" && json::text_or(certificate, "deployment_state") == "deployed" &&
             json::text_or(certificate, "fingerprint_sha256") == served_fingerprint();
    } catch (const Error&) {
      return false;  // the server is away for a moment
    } catch (const std::runtime_error&) {
      return false;
    }
  }, limit);
}

std::vector<json::Document> Installation::jobs(const std::string& certificate_id, const std::string& type) {
  std::vector<json::Document> out;
  const auto list = ask("GET", "/jobs?per_page=500&certificate_id=" + certificate_id + "&type=" + type);
  for (const auto& job : json::find(list, "data")->GetArray()) out.push_back(json::parse(json::dump(job)));
  return out;
}

bool Installation::wait_job(const std::string& certificate_id, const std::string& type, const std::string& status, std::chrono::seconds limit) {
  return wait([&] {
    for (const auto& job : jobs(certificate_id, type)) {
      if (json::text_or(job, "status") == status) return true;
    }
    return false;
  }, limit);
}

std::string Installation::last_error(const std::string& certificate_id, const std::string& type) {
  const auto found = jobs(certificate_id, type);
  return found.empty() ? "" : json::text_or(found.front(), "last_error");
}

std::size_t Installation::versions(const std::string& certificate_id) {
  return std::size_t(json::integer_or(ask("GET", "/certificates/" + certificate_id + "/versions"), "total", -1));
}

std::string Installation::current_fingerprint(const std::string& certificate_id) {
  return json::text_or(ask("GET", "/certificates/" + certificate_id), "fingerprint_sha256");
}

std::string Installation::served_fingerprint() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(std::uint16_t(site_port_));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string fingerprint;
  if (::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    SSL_CTX* context = SSL_CTX_new(TLS_client_method());
    SSL* ssl = SSL_new(context);
    SSL_set_fd(ssl, descriptor);
    SSL_set_tlsext_host_name(ssl, "localhost");
    if (SSL_connect(ssl) == 1) {
      if (X509* leaf = SSL_get1_peer_certificate(ssl)) fingerprint = crypto::adopt_certificate(leaf).fingerprint_sha256();
    }
    SSL_free(ssl);
    SSL_CTX_free(context);
  }
  ::close(descriptor);
  return fingerprint;
}

bool Installation::audited(const std::string& action, const std::string& resource_id) {
  return json::integer_or(ask("GET", "/audit?action=" + action + "&resource_id=" + resource_id), "total", 0) > 0;
}

std::string Installation::logs() const {
  std::string out;
  for (const char* name : {"server.log", "agent.log", "nginx.log"}) {
    std::ifstream in(folder_ / name);
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    out += fmt::format("--- {}\n{}\n", name, text.size() > 6000 ? text.substr(text.size() - 6000) : text);
  }
  return out;
}

}  // namespace certctl::test
