#include "agent/integration/stand_in.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <algorithm>
#include <stdexcept>
#include <thread>

#include "agent/files.hpp"
#include "core/base/error.hpp"
#include "core/base/json.hpp"
#include "core/crypto/certificate_request.hpp"
#include "core/crypto/library.hpp"

namespace certctl::agent::test {
namespace {

http::Response problem(int status, const std::string& message) {
  json::Writer out;
  out.begin_object().field("error", http::reason_phrase(status)).field("message", message).end_object();
  return http::json(status, out.take());
}

/// A body that breaks off: headers and some bytes, then the connection is gone.
http::Response broken_off() {
  http::Response out;
  out.headers.set("Content-Type", "application/json");
  int chunks = 0;
  out.stream = [chunks](http::Deliver deliver) mutable {
    if (++chunks > 1) throw std::runtime_error("cut as told");
    deliver(std::string("{\"sta"));
  };
  return out;
}

bool is_terminal(const std::string& status) { return status == "Completed" || status == "Failed"; }

}  // namespace

StandIn::StandIn(const std::filesystem::path& folder, Options options)
    : options_(options), ca_path_(folder / "control-plane-ca.crt"), root_(crypto::make_root({}, SystemClock().now())) {
  crypto::ServerOptions names;
  names.names = {"localhost", "127.0.0.1"};
  const crypto::Identity tls = crypto::issue_server_certificate(root_, names, SystemClock().now());
  write_durably(ca_path_, root_.certificate.pem());
  write_durably(folder / "control-plane.crt", tls.full_pem());
  tls.key.to_pem().use([&](std::string_view pem) { write_durably(folder / "control-plane.key", pem); });
  http::ServerOptions listen;
  listen.tls_cert_path = folder / "control-plane.crt";
  listen.tls_key_path = folder / "control-plane.key";
  server_ = std::make_unique<http::Server>(listen, *this);
  server_->start();
}

StandIn::~StandIn() { server_->stop(std::chrono::seconds(2)); }

std::string StandIn::url() const { return fmt::format("https://localhost:{}", server_->port()); }

StandIn::Job& StandIn::new_job(std::string type, std::string status, const std::string& certificate_id) {
  jobs_.push_back({fmt::format("job-{}", ++counter_),
                   std::move(type),
                   std::move(status),
                   certificate_id,
                   orders_[certificate_id].target_config,
                   {}});
  return jobs_.back();
}

std::string StandIn::order(Order order) {
  const std::scoped_lock lock(mutex_);
  const std::string id = order.certificate_id;
  orders_[id] = std::move(order);
  return new_job("Renewal", "AwaitingCSR", id).id;
}

std::string StandIn::deploy_again(const std::string& certificate_id, const std::string& target_config) {
  const std::scoped_lock lock(mutex_);
  if (!target_config.empty()) orders_[certificate_id].target_config = target_config;
  return new_job("Deployment", "Pending", certificate_id).id;
}

void StandIn::misbehave(const std::string& route, std::vector<Fault> faults) {
  const std::scoped_lock lock(mutex_);
  faults_[route].insert(faults_[route].end(), faults.begin(), faults.end());
}

void StandIn::retire() {
  const std::scoped_lock lock(mutex_);
  retired_ = true;
}

void StandIn::retire_route(const std::string& route) {
  const std::scoped_lock lock(mutex_);
  retired_routes_.insert(route);
}

std::vector<StandIn::Version> StandIn::versions(const std::string& certificate_id) const {
  const std::scoped_lock lock(mutex_);
  const auto found = versions_.find(certificate_id);
  return found == versions_.end() ? std::vector<Version>{} : found->second;
}

std::string StandIn::job_status(const std::string& job_id) const {
  const std::scoped_lock lock(mutex_);
  const auto found = std::find_if(jobs_.begin(), jobs_.end(), [&](const Job& job) { return job.id == job_id; });
  return found == jobs_.end() ? "" : found->status;
}

std::string StandIn::deployment_of(const std::string& certificate_id) const {
  const std::scoped_lock lock(mutex_);
  const auto found = std::find_if(jobs_.rbegin(), jobs_.rend(), [&](const Job& job) {
    return job.type == "Deployment" && job.certificate_id == certificate_id;
  });
  return found == jobs_.rend() ? "" : found->id;
}

std::vector<StandIn::Received> StandIn::received(const std::string& job_id) const {
  const std::scoped_lock lock(mutex_);
  std::vector<Received> out;
  for (const auto& one : received_) {
    if (one.job_id == job_id) out.push_back(one);
  }
  return out;
}

std::set<std::string> StandIn::report_ids(const std::string& job_id) const {
  std::set<std::string> out;
  for (const auto& one : received(job_id)) {
    if (is_terminal(one.status)) out.insert(json::text_or(json::parse(one.body), "report_id"));
  }
  return out;
}

int StandIn::requests(const std::string& route) const {
  const std::scoped_lock lock(mutex_);
  const auto found = requests_.find(route);
  return found == requests_.end() ? 0 : found->second;
}

std::string StandIn::last_body(const std::string& route) const {
  const std::scoped_lock lock(mutex_);
  const auto found = last_body_.find(route);
  return found == last_body_.end() ? "" : found->second;
}

std::set<std::string> StandIn::keys_seen() const {
  const std::scoped_lock lock(mutex_);
  return keys_seen_;
}

bool StandIn::leaked(std::string_view needle) const {
  const std::scoped_lock lock(mutex_);
  return wire_.find(needle) != std::string::npos;
}

bool StandIn::wait(const std::function<bool()>& condition, std::chrono::milliseconds limit) const {
  const auto until = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    std::unique_lock lock(mutex_);
    if (std::chrono::steady_clock::now() >= until) return false;
    changed_.wait_for(lock, std::chrono::milliseconds(50));  // files may change without a request
  }
  return true;
}

void StandIn::handle(std::shared_ptr<http::Request> request, http::Reply reply) {
  std::vector<std::string> path = http::split_path(request->path).value_or(std::vector<std::string>{});
  // api v1 agents {id} work | api v1 jobs {id} verify | api v1 agents
  const std::string route = path.size() == 3                       ? "agents"
                            : path.size() > 5 && path[4] == "jobs" ? "status"
                            : path.size() > 4                      ? path[4]
                                                                   : "unknown";
  std::optional<Fault> fault;
  {
    const std::scoped_lock lock(mutex_);
    ++requests_[route];
    last_body_[route] = request->body;
    wire_ += request->body + request->path + request->raw_query;
    keys_seen_.insert(std::string(request->headers.get("Authorization")));
    if (auto& faults = faults_[route]; !faults.empty()) {
      fault = faults.front();
      faults.pop_front();
    }
  }
  changed_.notify_all();
  if (fault == Fault::error_500) return reply(problem(500, "Failed as told"));
  if (fault == Fault::busy_503) return reply(problem(503, "Busy as told"));
  if (fault == Fault::html)
    return reply(http::text(200, "<html><body>Welcome to the proxy</body></html>", "text/html"));
  if (fault == Fault::too_many_429) {
    http::Response out = problem(429, "Too many requests");
    out.headers.set("Retry-After", "0");
    return reply(std::move(out));
  }
  if (fault == Fault::slow) std::this_thread::sleep_for(std::chrono::milliseconds(500));
  http::Response out;
  try {
    const std::scoped_lock lock(mutex_);
    out = answer(*request, route, path);
  } catch (const std::exception& e) {
    out = problem(500, e.what());
  }
  changed_.notify_all();
  reply(fault == Fault::cut_after ? broken_off() : std::move(out));
}

bool StandIn::knows_key(const http::Request& request) const {
  const auto field = request.headers.get("Authorization");
  return field == fmt::format("Bearer {}", kKey) ||
         (options_.gives_api_key &&
          (field == fmt::format("Bearer {}", kOwnKey) || field == fmt::format("Bearer {}", kRotatedKey)));
}

http::Response StandIn::answer(const http::Request& request, const std::string& route,
                               const std::vector<std::string>& path) {
  if (!knows_key(request)) return problem(401, "Invalid API key");
  if (route == "agents") return register_agent(request);
  if (route != "verify" && path[3] != kAgent) return problem(404, "Agent not found");
  if (retired_ || retired_routes_.contains(route)) return problem(410, "Agent has been retired");
  if (route == "heartbeat") return heartbeat();
  if (route == "work") return work();
  if (route == "csr") return csr(request);
  if (route == "certificates") return certificate(path.at(5));
  if (route == "status") return status(path.at(5), request);
  if (route == "rotate-key") return http::json(200, fmt::format(R"({{"api_key":"{}"}})", kRotatedKey));
  if (route == "verify") {
    received_.push_back({path.at(3), "verify", request.body});
    return http::json(200, R"({"verified":true})");
  }
  return problem(404, "no such endpoint");
}

http::Response StandIn::register_agent(const http::Request& request) {
  const auto body = json::parse(request.body);
  options_.knows_agent = true;
  json::Writer out;
  out.begin_object().field("id", kAgent).field("name", json::text_or(body, "name")).field("status", "Online");
  if (options_.gives_api_key) out.field("api_key", kOwnKey);
  return http::json(201, out.end_object().take());
}

http::Response StandIn::heartbeat() {
  if (!options_.knows_agent) return problem(404, "Agent not found");
  if (!options_.long_poll) return http::json(200, R"({"status":"heartbeat_recorded"})");
  return http::json(
      200,
      R"({"status":"heartbeat_recorded","server_version":"0.1.0","capabilities":["long_poll"],"heartbeat_interval_s":30})");
}

bool StandIn::hands_out(Job& job) {
  const auto now = std::chrono::steady_clock::now();
  if (job.status == "AwaitingCSR") return true;
  if (job.type != "Deployment") return false;
  const bool again =
      job.status == "Running" && options_.claim_again.count() > 0 && now - job.claimed > options_.claim_again;
  if (job.status == "Pending" || again) {
    job.status = "Running";
    job.claimed = now;
    return true;
  }
  return options_.repeats_items && job.status == "Completed";
}

http::Response StandIn::work() {
  std::string items;
  int count = 0;
  const auto add = [&](const Job& job) { items += (count++ == 0 ? "" : ",") + item(job); };
  for (auto& job : jobs_) {
    if (!hands_out(job)) continue;
    add(job);
    if (options_.repeats_items) add(job);
  }
  return http::json(200, fmt::format(R"({{"jobs":[{}],"count":{}}})", items, count));
}

std::string StandIn::item(const Job& job) const {
  const Order& order = orders_.at(job.certificate_id);
  json::Writer out;
  out.begin_object().field("id", job.id).field("type", job.type).field("certificate_id", job.certificate_id);
  out.field("status", job.status == "Completed" ? "Running" : job.status);
  if (job.status == "AwaitingCSR") {
    out.field("common_name", order.names.front()).field("sans", order.names);
  } else if (!order.target_type.empty()) {
    out.field("target_id", order.target_id)
        .field("target_type", order.target_type)
        .key("target_config")
        .raw_text(job.config);
  }
  return out.end_object().take();
}

/// As upstream: whoever sends a request gets a version, whether or not a job waits for it.
http::Response StandIn::csr(const http::Request& request) {
  const auto body = json::parse(request.body);
  const std::string id = json::text_or(body, "certificate_id");
  if (!orders_.contains(id)) return problem(400, "unknown certificate");
  versions_[id].push_back(sign(json::text_or(body, "csr_pem")));
  const auto job = std::find_if(jobs_.begin(), jobs_.end(), [&](const Job& one) {
    return one.certificate_id == id && one.status == "AwaitingCSR";
  });
  if (job != jobs_.end()) {
    job->status = "Completed";
    new_job("Deployment", "Pending", id);
  }
  return http::json(202, R"({"status":"csr_signed"})");
}

http::Response StandIn::certificate(const std::string& id) {
  const auto found = versions_.find(id);
  if (found == versions_.end()) return problem(404, "Certificate not found or not ready");
  return http::json(
      200, json::Writer().begin_object().field("certificate_pem", found->second.back().pem).end_object().take());
}

http::Response StandIn::status(const std::string& job_id, const http::Request& request) {
  const auto body = json::parse(request.body);
  const std::string status = json::text_or(body, "status");
  received_.push_back({job_id, status, request.body});
  for (auto& job : jobs_) {
    if (job.id == job_id && !is_terminal(job.status)) job.status = status;
  }
  return http::json(200, R"({"status":"updated"})");
}

StandIn::Version StandIn::sign(const std::string& csr_pem) {
  const auto request = crypto::CertificateRequest::from_pem(csr_pem);
  X509* const certificate = X509_new_ex(crypto::library_context(), nullptr);
  const crypto::Certificate leaf = crypto::adopt_certificate(certificate);
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set_int64(X509_get_serialNumber(certificate), 1'000'000 + ++counter_);
  X509_set_subject_name(certificate, X509_REQ_get_subject_name(request.native()));
  X509_set_issuer_name(certificate, X509_get_subject_name(root_.certificate.native()));
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86'400);
  X509_set_pubkey(certificate, X509_REQ_get0_pubkey(request.native()));
  STACK_OF(X509_EXTENSION)* const extensions = X509_REQ_get_extensions(request.native());
  for (int i = 0; i < sk_X509_EXTENSION_num(extensions); ++i)
    X509_add_ext(certificate, sk_X509_EXTENSION_value(extensions, i), -1);
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  if (X509_sign(certificate, root_.key.native(), EVP_sha256()) <= 0) throw crypto::openssl_error("signing");
  return {leaf.pem() + root_.certificate.pem(), leaf.spki_sha256(), leaf.fingerprint_sha256()};
}

}  // namespace certctl::agent::test
