#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "core/crypto/self_signed.hpp"
#include "core/http/application.hpp"
#include "core/http/server.hpp"

namespace certctl::agent::test {

/// A control plane that knows upstream's wire only (no [+] field of agent.md), and misbehaves when told to.
class StandIn final : public http::Application {
 public:
  /// What happens to one request.
  enum class Fault {
    error_500,  ///< refused, nothing done
    busy_503,
    too_many_429,  ///< with Retry-After: 0
    html,          ///< a proxy's page with status 200
    cut_after,     ///< done, but the connection breaks before the answer is complete
    slow,          ///< done after half a second
  };

  struct Options {
    bool knows_agent = true;     ///< false: heartbeats get 404 until the agent registers
    bool gives_api_key = false;  ///< our server's registration: honours the id, answers with a key of the agent's own
    bool long_poll = false;      ///< our server's heartbeat and `?wait=`
    /// A claimed deployment without report is handed out again after this time; zero: never, as upstream.
    std::chrono::milliseconds claim_again{0};
    /// Every poll repeats items: each twice, and the deployments that are done.
    bool repeats_items = false;
  };

  /// One certificate with one target.
  struct Order {
    std::string certificate_id;
    std::vector<std::string> names;
    std::string target_id;
    std::string target_type = "NGINX";
    std::string target_config = "{}";
  };

  struct Version {
    std::string pem;  ///< leaf and issuer
    std::string spki_sha256;
    std::string fingerprint;
  };

  /// What came in for a job.
  struct Received {
    std::string job_id;
    std::string status;  ///< `verify` for a verification
    std::string body;
  };

  StandIn(const std::filesystem::path& folder, Options options);
  ~StandIn() override;

  std::string url() const;
  std::string ca_bundle() const { return ca_path_.string(); }
  static constexpr const char* kKey = "stand-in-shared-key";
  static constexpr const char* kOwnKey = "key-of-the-agent-itself";
  static constexpr const char* kRotatedKey = "next-key-of-the-agent-itself";
  static constexpr const char* kAgent = "ag-test";

  /// Wants the certificate (again): a CSR job, then a deployment.
  std::string order(Order order);
  /// A deployment of what there is.
  std::string deploy_again(const std::string& certificate_id, const std::string& target_config = {});
  /// The next requests of a route (`heartbeat`, `work`, `csr`, `certificates`, `status`, `verify`, `agents`) go wrong.
  void misbehave(const std::string& route, std::vector<Fault> faults);
  void retire();
  /// From now on answers 410 to `route` only.
  void retire_route(const std::string& route);

  std::vector<Version> versions(const std::string& certificate_id) const;
  std::string job_status(const std::string& job_id) const;
  /// The deployment job that followed a CSR job; empty: none yet.
  std::string deployment_of(const std::string& certificate_id) const;
  std::vector<Received> received(const std::string& job_id) const;
  /// report_ids of the terminal reports of a job.
  std::set<std::string> report_ids(const std::string& job_id) const;
  int requests(const std::string& route) const;
  std::string last_body(const std::string& route) const;
  std::set<std::string> keys_seen() const;
  bool leaked(std::string_view needle) const;

  /// Waits until the condition holds (asked with the lock free, after each request); false: the time is up.
  bool wait(const std::function<bool()>& condition, std::chrono::milliseconds limit = std::chrono::seconds(60)) const;

  std::optional<http::Response> on_head(http::Request&) override { return std::nullopt; }
  std::optional<http::Response> admit(http::Request&) override { return std::nullopt; }
  void handle(std::shared_ptr<http::Request> request, http::Reply reply) override;
  void decorate(const http::Request&, http::Response&) override {}
  void finished(const http::Request&, const http::Exchange&) override {}
  bool urgent(const http::Request&) const override { return false; }

 private:
  struct Job {
    std::string id, type, status, certificate_id;
    std::string config;
    std::chrono::steady_clock::time_point claimed{};
  };
  http::Response answer(const http::Request& request, const std::string& route, const std::vector<std::string>& path);
  http::Response register_agent(const http::Request& request);
  http::Response heartbeat();
  http::Response work();
  http::Response csr(const http::Request& request);
  http::Response certificate(const std::string& id);
  http::Response status(const std::string& job_id, const http::Request& request);
  bool knows_key(const http::Request& request) const;
  std::string item(const Job& job) const;
  bool hands_out(Job& job);
  Version sign(const std::string& csr_pem);
  Job& new_job(std::string type, std::string status, const std::string& certificate_id);

  Options options_;
  std::filesystem::path ca_path_;
  crypto::Identity root_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::map<std::string, Order> orders_;
  std::map<std::string, std::vector<Version>> versions_;
  std::deque<Job> jobs_;
  std::vector<Received> received_;
  std::map<std::string, std::deque<Fault>> faults_;
  std::map<std::string, int> requests_;
  std::map<std::string, std::string> last_body_;
  std::set<std::string> keys_seen_;
  std::set<std::string> retired_routes_;
  std::string wire_;  // every byte of every request body
  bool retired_ = false;
  int counter_ = 0;
  std::unique_ptr<http::Server> server_;
};

}  // namespace certctl::agent::test
