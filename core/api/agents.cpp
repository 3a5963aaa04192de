#include "core/api/agents.hpp"

#include <map>
#include <mutex>
#include <set>

#include "core/api/resource.hpp"
#include "core/base/build_info.hpp"
#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/base/time.hpp"
#include "core/http/error_response.hpp"

namespace certctl::api {
namespace {

using namespace std::chrono_literals;

/// An answer with `csr_pending` comes before upstream's agent gives up at 30 s.
constexpr auto kCsrPatience = 18s;
constexpr std::int64_t kLongestWait = 60;

void write_item(json::Writer& out, const service::AgentWork::Item& item) {
  const auto& job = item.job;
  out.begin_object().field("id", job.id).field("type", job.type.text()).field("certificate_id", job.certificate_id).field("status", job.status.text());
  if (job.type.is(domain::JobType::Deployment)) {
    out.field("target_id", static_cast<const std::string&>(job.target_id)).field("target_type", item.target_type);
    out.field("target_config", item.target_config).field("target_name", item.target_name);
    if (!item.expected_fingerprint.empty()) out.field("expected_fingerprint", item.expected_fingerprint);
  } else {
    out.field("common_name", item.common_name).field("sans", item.sans).field("key_algorithm", item.key_algorithm);
    out.field("must_staple", item.must_staple);
  }
  out.field("attempt", job.attempts).end_object();
}

http::Response work_answer(const std::vector<service::AgentWork::Item>& items) {
  json::Writer out;
  out.begin_object().key("jobs").begin_array();
  for (const auto& item : items) write_item(out, item);
  out.end_array().field("count", std::uint64_t(items.size())).end_object();
  return http::json(200, out.take());
}

/// Go's strconv.ParseBool; anything else is false.
bool go_true(const std::string& text) {
  return text == "1" || text == "t" || text == "T" || text == "true" || text == "TRUE" || text == "True";
}

json::Raw counts_json(const store::agents::Dependants& counts) {
  json::Writer out;
  out.begin_object().field("active_targets", counts.targets).field("active_certificates", counts.certificates);
  out.field("pending_jobs", counts.jobs).end_object();
  return json::Raw{out.take()};
}

http::Response retire(AgentRoutes& routes, http::Request& r) {
  try {
    const auto result = routes.agents.retire(Call(r), r.parameter("id"), go_true(query_of(r, "force")), query_of(r, "reason"));
    if (result.already) return http::no_content();
    json::Writer out;
    out.begin_object().field("retired_at", result.retired_at).field("already_retired", false).field("cascade", result.cascade);
    out.field("counts", counts_json(result.counts)).end_object();
    return http::json(200, out.take());
  } catch (const service::BlockedByDependencies& e) {
    json::Writer out;
    out.begin_object().field("error", "blocked_by_dependencies").field("message", e.what()).field("counts", counts_json(e.counts()));
    out.field("code", "has_dependants").field("request_id", r.request_id).end_object();
    return http::json(409, out.take());
  }
}

/// One poll for work: answered at once when there is some, else parked until there is, or until its time is over.
class Poll : public std::enable_shared_from_this<Poll> {
 public:
  Poll(AgentRoutes& routes, std::shared_ptr<http::Request> request, http::Reply reply)
      : routes_(routes), request_(std::move(request)), reply_(std::move(reply)) {}

  void start(std::chrono::seconds wait) {
    const std::string& id = request_->parameter("id");
    if (wait.count() > 0) ticket_ = routes_.polls.wait(id, [weak = weak_from_this(), &routes = routes_] {
      // The listener's thread must not query: hand the look over.
      routes.post([weak] { if (const auto self = weak.lock()) self->look(); });
    });
    if (look() || wait.count() == 0) {
      if (!reply_.answered()) reply_(work_answer({}));
      return;
    }
    reply_.park(wait, [self = shared_from_this()](http::ParkEnd) {
      self->leave();
      return work_answer({});
    });
  }
  ~Poll() { leave(); }

 private:
  bool look() {
    std::scoped_lock lock(mutex_);
    if (reply_.answered()) return true;
    try {
      Call call(*request_);
      const auto agent = routes_.agents.require_active(request_->parameter("id"));
      const auto items = routes_.work.claim(call, agent);
      if (items.empty()) return false;
      leave();
      reply_(work_answer(items));
    } catch (...) {
      leave();
      reply_.fail_with_current_exception();
    }
    return true;
  }
  void leave() {
    if (const auto ticket = ticket_.exchange(0); ticket != 0) routes_.polls.forget(ticket);
  }

  AgentRoutes& routes_;
  std::shared_ptr<http::Request> request_;
  http::Reply reply_;
  std::mutex mutex_;
  std::atomic<std::uint64_t> ticket_{0};
};

void poll_work(AgentRoutes& routes, std::shared_ptr<http::Request> request, http::Reply reply) {
  const auto wait = parse_integer(query_of(*request, "wait")).value_or(0);
  std::make_shared<Poll>(routes, std::move(request), std::move(reply))->start(std::chrono::seconds(std::clamp<std::int64_t>(wait, 0, kLongestWait)));
}

service::Issuance::CsrRequest csr_of(const http::Request& request) {
  const auto body = body_of(request);
  service::Issuance::CsrRequest csr{json::text_or(body, "certificate_id"), json::text_or(body, "job_id"), json::text_or(body, "csr_pem")};
  const std::string_view pem = trim(csr.csr_pem);
  if (pem.empty()) throw invalid_field("csr_pem", "required", "csr_pem is required");
  if (!pem.starts_with("-----BEGIN CERTIFICATE REQUEST-----")) {
    throw invalid_field("csr_pem", "format", "csr_pem must be a valid PEM-encoded certificate request");
  }
  return csr;
}

void submit_csr(AgentRoutes& routes, const std::shared_ptr<http::Request>& request, const http::Reply& reply) {
  const auto agent = routes.agents.require_active(request->parameter("id"));
  const auto csr = csr_of(*request);
  if (csr.certificate_id.empty()) return reply(status_word(202, "csr_accepted"));
  service::Issuance::Accepted accepted;
  {
    Call call(*request);
    accepted = routes.issuance.accept_csr(call, agent, csr);
  }
  if (!accepted.job) return reply(status_word(202, accepted.signed_before ? "csr_signed" : "csr_pending"));
  reply.park(kCsrPatience, [](http::ParkEnd) { return status_word(202, "csr_pending"); });
  routes.run_now(accepted, [&routes, reply, request, agent, csr] {
    if (reply.answered()) return;
    try {
      // What the worker made of it stands in the database.
      reply(status_word(202, routes.issuance.is_recorded(csr.certificate_id, csr.csr_pem) ? "csr_signed" : "csr_pending"));
    } catch (...) {
      reply.fail_with_current_exception();
    }
  });
}

}  // namespace

struct WorkPolls::State {
  struct Waiting {
    std::string agent_id;
    std::function<void()> look;
  };
  std::mutex mutex;
  std::map<std::uint64_t, Waiting> waiting;
  std::multimap<std::string, std::uint64_t> by_agent;
  std::uint64_t next = 1;
};

WorkPolls::WorkPolls(db::WakeUps& wake_ups) : state_(std::make_shared<State>()) {
  subscription_ = wake_ups.subscribe("jobs", [state = state_](const std::vector<std::string>& keys) {
    std::vector<std::function<void()>> looks;
    {
      std::scoped_lock lock(state->mutex);
      if (keys.empty()) {
        for (const auto& [ticket, waiting] : state->waiting) looks.push_back(waiting.look);
      }
      for (const auto& key : keys) {
        const auto [begin, end] = state->by_agent.equal_range(key);
        for (auto at = begin; at != end; ++at) looks.push_back(state->waiting.at(at->second).look);
      }
    }
    for (const auto& look : looks) look();
  });
}

WorkPolls::~WorkPolls() = default;

std::uint64_t WorkPolls::wait(const std::string& agent_id, std::function<void()> look) {
  std::scoped_lock lock(state_->mutex);
  const std::uint64_t ticket = state_->next++;
  state_->waiting.emplace(ticket, State::Waiting{agent_id, std::move(look)});
  state_->by_agent.emplace(agent_id, ticket);
  return ticket;
}

void WorkPolls::forget(std::uint64_t ticket) {
  std::scoped_lock lock(state_->mutex);
  const auto found = state_->waiting.find(ticket);
  if (found == state_->waiting.end()) return;
  const auto [begin, end] = state_->by_agent.equal_range(found->second.agent_id);
  for (auto at = begin; at != end; ++at) {
    if (at->second == ticket) {
      state_->by_agent.erase(at);
      break;
    }
  }
  state_->waiting.erase(found);
}

void add_agent_routes(http::Router& router, AgentRoutes& routes) {
  router.add("GET", "/api/v1/agents", {.area = "agents", .summary = "List agents"}, [&](http::Request& r) {
    const auto page = page_of(r);
    return list(routes.agents.list({query_of(r, "status"), false}, page), page);
  });
  router.add("GET", "/api/v1/agents/retired", {.area = "agents", .summary = "List retired agents"}, [&](http::Request& r) {
    const auto page = page_of(r);
    return list(routes.agents.list({"", true}, page), page);
  });
  router.add("POST", "/api/v1/agents", {.auth = http::Auth::bootstrap, .success = 201, .area = "agents", .summary = "Register an agent"},
             [&](http::Request& r) {
               const auto registered = routes.agents.enroll(Call(r), body_of(r));
               json::Writer out;
               out.begin_object();
               domain::write_members(out, registered.agent);
               out.field("api_key", registered.api_key).end_object();
               return http::json(201, out.take());
             });
  router.add("GET", "/api/v1/agents/{id}", {.auth = http::Auth::agent, .area = "agents", .summary = "Get an agent"},
             [&](http::Request& r) { return object(200, routes.agents.get(r.parameter("id"))); });
  router.add("DELETE", "/api/v1/agents/{id}", {.area = "agents", .summary = "Retire an agent"}, [&](http::Request& r) { return retire(routes, r); });
  router.add("POST", "/api/v1/agents/{id}/rotate-key", {.auth = http::Auth::agent, .area = "agents", .summary = "Give an agent a new key"},
             [&](http::Request& r) {
               const std::string key = routes.agents.rotate_key(Call(r), r.parameter("id"));
               json::Writer out;
               out.begin_object().field("api_key", key).end_object();
               return http::json(200, out.take());
             });
  router.add("POST", "/api/v1/agents/{id}/heartbeat", {.auth = http::Auth::agent, .area = "agents", .summary = "Heartbeat", .urgent = true},
             [&](http::Request& r) {
               routes.agents.heartbeat(r.parameter("id"), r.body);
               json::Writer out;
               out.begin_object().field("status", "heartbeat_recorded").field("server_version", build_info().version);
               out.field("capabilities", std::vector<std::string>{"long_poll", "job_lease", "deployment_report"});
               out.field("heartbeat_interval_s", std::int64_t(routes.heartbeat_interval.count()));
               out.field("poll_interval_s", std::int64_t(routes.poll_interval.count())).end_object();
               return http::json(200, out.take());
             });
  router.add_async("GET", "/api/v1/agents/{id}/work", {.auth = http::Auth::agent, .area = "agents", .summary = "Poll for work"},
                   [&](std::shared_ptr<http::Request> request, http::Reply reply) { poll_work(routes, std::move(request), std::move(reply)); });
  router.add_async("POST", "/api/v1/agents/{id}/csr", {.auth = http::Auth::agent, .success = 202, .area = "agents", .summary = "Submit a CSR"},
                   [&](std::shared_ptr<http::Request> request, http::Reply reply) { submit_csr(routes, request, reply); });
  router.add("GET", "/api/v1/agents/{id}/certificates/{certificate_id}",
             {.auth = http::Auth::agent, .area = "agents", .summary = "Fetch an issued certificate"}, [&](http::Request& r) {
               const auto agent = routes.agents.require_active(r.parameter("id"));
               auto material = routes.work.fetch(Call(r), agent, r.parameter("certificate_id"));
               json::Writer out;
               out.begin_object().field("certificate_pem", material.certificate_pem).field("fingerprint_sha256", material.fingerprint);
               out.field("serial_number", material.serial).field("version_id", material.version_id);
               if (!material.private_key.empty()) material.private_key.use([&](std::string_view pem) { out.field("private_key_pem", pem); });
               out.end_object();
               return http::json(200, out.take());
             });
  router.add("POST", "/api/v1/agents/{id}/jobs/{job_id}/status",
             {.auth = http::Auth::agent, .area = "agents", .summary = "Report on a job", .urgent = true}, [&](http::Request& r) {
               const auto agent = routes.agents.require_active(r.parameter("id"));
               routes.work.report(Call(r), agent, r.parameter("job_id"), body_of(r));
               return status_word(200, "updated");
             });
}

}  // namespace certctl::api
