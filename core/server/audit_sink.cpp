#include "core/server/audit_sink.hpp"

#include <array>

#include "core/base/random.hpp"
#include "core/base/text.hpp"
#include "core/crypto/hash.hpp"
#include "core/server/messages.hpp"

namespace certctl::server {

using namespace std::chrono_literals;

std::string AuditSink::new_salt() {
  std::array<std::uint8_t, 16> random{};
  fill_random(random);
  return to_hex(random);
}

void AuditSink::attach(service::AuditQueue& queue, const service::Audit& audit) {
  std::scoped_lock lock(mutex_);
  queue_ = &queue;
  audit_ = &audit;
}

void AuditSink::push(service::Actor actor, service::Audit::Entry entry) {
  if (queue_ != nullptr) queue_->push(audit_->event(actor, entry));
}

bool AuditSink::summarise(const http::AuditRecord& record) {
  if (polls_ == AgentPolls::all || record.status >= 400) return false;
  constexpr std::string_view kPrefix = "/api/v1/agents/";
  if (!record.path.starts_with(kPrefix)) return false;
  const std::string_view rest = std::string_view(record.path).substr(kPrefix.size());
  const auto slash = rest.find('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view verb = rest.substr(slash + 1);
  if (verb != "heartbeat" && verb != "work") return false;
  if (polls_ == AgentPolls::off) return true;
  auto& polls = agents_[std::string(rest.substr(0, slash))];
  if (polls.heartbeats + polls.work_polls == 0) polls.first = clock_.now();
  polls.last = clock_.now();
  ++(verb == "work" ? polls.work_polls : polls.heartbeats);
  return true;
}

void AuditSink::record(http::AuditRecord record) noexcept {
  try {
    std::scoped_lock lock(mutex_);
    if (queue_ == nullptr) return;
    if (record.kind != http::AuditRecord::Kind::call) {
      const std::string key = (record.kind == http::AuditRecord::Kind::auth_failed ? "a" : "r") + record.source + record.reason;
      auto& refusals = refusals_[key];
      if (refusals.count++ == 0) {
        refusals.first = clock_.now();
        refusals.sample = std::move(record);
      }
      return;
    }
    if (summarise(record)) return;
    service::Actor actor{record.principal.name, record.principal.is_agent() ? domain::ActorType::Agent : domain::ActorType::User, false, {}, false};
    service::ApiCall call{record.method, record.path, record.body_hash, record.status, clock_.steady() - record.latency, false};
    queue_->push(audit_->call_event(actor, call, record.status));
  } catch (const std::exception& e) {
    // A record that cannot even be built must not end the request it is about.
    log::write(messages::kAuditRecordFailed, {{"error", e.what()}});
  }
}

void AuditSink::flush(bool all) {
  std::scoped_lock lock(mutex_);
  const Time now = clock_.now();
  for (auto at = agents_.begin(); at != agents_.end();) {
    const auto& polls = at->second;
    if (!all && now - polls.first < 1h) {
      ++at;
      continue;
    }
    json::Writer details;
    details.begin_object().field("heartbeats", polls.heartbeats).field("work_polls", polls.work_polls);
    details.field("first_at", polls.first).field("last_at", polls.last).end_object();
    push({at->first, domain::ActorType::Agent, false, at->first, false}, {"api_agent_poll", "agent", at->first, json::Raw{details.take()}});
    at = agents_.erase(at);
  }
  for (auto at = refusals_.begin(); at != refusals_.end();) {
    const auto& refusals = at->second;
    if (!all && now - refusals.first < 1min) {
      ++at;
      continue;
    }
    const bool credential = refusals.sample.kind == http::AuditRecord::Kind::auth_failed;
    json::Writer details;
    details.begin_object().field("reason", refusals.sample.reason).field("count", refusals.count).field("path", refusals.sample.path);
    details.field("source_hash", crypto::sha256_hex(salt_ + refusals.sample.source).substr(0, 16)).end_object();
    push({refusals.sample.principal.name, domain::ActorType::User, false, {}, false},
         {credential ? "api_auth_failed" : "api_rate_limited", "api", refusals.sample.path, json::Raw{details.take()}});
    at = refusals_.erase(at);
  }
}

}  // namespace certctl::server
