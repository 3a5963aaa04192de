#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/json.hpp"
#include "core/http/client.hpp"
#include "test/support/process.hpp"

namespace certctl::test {

struct Answer {
  int status = 0;
  std::string text;
  http::Headers headers;
  json::Document body() const { return json::parse(text.empty() ? "null" : text); }
  std::string field(std::string_view name) const { return json::text_or(body(), name); }
};

/// A whole certctl on this machine, thrown away at the end: server with its private PostgreSQL, one agent, one nginx.
/// Everything has its own folder and ports; programs can be killed, restarted, and told to crash at a step.
class Installation {
 public:
  Installation();
  ~Installation();
  Installation(const Installation&) = delete;
  Installation& operator=(const Installation&) = delete;

  // --- programs ---
  /// Returns when `/ready` says so. `more`: settings over the usual ones, `CERTCTL_CRASH_AT` among them.
  void start_server(std::map<std::string, std::string> more = {});
  void start_agent(std::map<std::string, std::string> more = {});
  void start_nginx();
  Process& server() { return *server_; }
  Process& agent() { return *agent_; }
  void kill_server();
  void kill_agent();
  /// SIGKILL to the postmaster and all its children.
  void kill_database();
  int database_process() const;
  /// A signal to the postmaster and all its children; nothing happens when none runs.
  void signal_database(int signal);

  int server_port() const { return server_port_; }

  // --- REST ---
  Answer call(const std::string& method, const std::string& path, const std::string& body = {}, const std::string& key = kKey);
  /// GET answers 200; false as well while nobody listens.
  bool answers(const std::string& path);
  /// A call that must succeed: anything but 2xx throws with the answer.
  json::Document ask(const std::string& method, const std::string& path, const std::string& body = {});

  /// Team, owner, profile, policy, issuer, agent, target: what a certificate needs. Ids: `t-1`, `o-1`, `prof-1`, `rp-1`,
  /// `iss-1`, `ag-1`, `tgt-1`.
  void lay_ground();
  /// Creates a certificate for `localhost` on the target.
  void create_certificate(const std::string& id, const std::string& profile = "prof-1", const std::string& issuer = "iss-1");

  // --- waiting: a condition with a deadline, never a sleep for luck ---
  bool wait(const std::function<bool()>& condition, std::chrono::seconds limit = std::chrono::seconds(90));
  /// The certificate is active, its deployment completed and verified.
  bool wait_served(const std::string& certificate_id, std::chrono::seconds limit = std::chrono::seconds(90));
  bool wait_job(const std::string& certificate_id, const std::string& type, const std::string& status, std::chrono::seconds limit = std::chrono::seconds(60));

  // --- looking ---
  std::vector<json::Document> jobs(const std::string& certificate_id, const std::string& type);
  std::string last_error(const std::string& certificate_id, const std::string& type);
  std::size_t versions(const std::string& certificate_id);
  std::string current_fingerprint(const std::string& certificate_id);
  /// SHA-256 of the leaf that nginx serves now; empty: nothing.
  std::string served_fingerprint();
  bool audited(const std::string& action, const std::string& resource_id);
  std::filesystem::path folder() const { return folder_; }
  std::filesystem::path site() const { return folder_ / "site"; }
  std::string nginx_config_path() const { return (folder_ / "site/nginx.conf").string(); }
  std::string logs() const;

  static constexpr const char* kKey = "integration-key-0123456789abcdef0123456789";

 private:
  std::filesystem::path folder_;
  int server_port_ = 0, site_port_ = 0;
  std::unique_ptr<http::Client> client_;
  std::unique_ptr<Process> server_, agent_, nginx_;
};

/// A TCP port that is free now.
int free_port();

}  // namespace certctl::test
