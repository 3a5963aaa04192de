#include "core/service/agents.hpp"

#include <fmt/format.h>

#include <array>

#include "core/base/error.hpp"
#include "core/base/id.hpp"
#include "core/base/random.hpp"
#include "core/base/text.hpp"
#include "core/base/time.hpp"
#include "core/crypto/hash.hpp"
#include "core/db/wake_ups.hpp"
#include "core/store/jobs.hpp"

namespace certctl::service {
namespace {

using domain::Agent;
using domain::AgentStatus;

constexpr std::string_view kEnrollable[] = {"id", "name", "hostname", "os", "architecture", "ip_address", "version"};

std::string new_api_key() {
  std::array<std::uint8_t, 32> random{};
  fill_random(random);
  return to_base64url(random);
}

json::Raw counts_of(const store::agents::Dependants& counts) {
  json::Writer out;
  out.begin_object().field("active_targets", counts.targets).field("active_certificates", counts.certificates);
  out.field("pending_jobs", counts.jobs).end_object();
  return json::Raw{out.take()};
}

/// What the columns hold; longer values of a heartbeat are cut, never refused.
std::string fitting(const json::Value& body, std::string_view key, std::size_t limit) { return shorten(json::text_or(body, key), limit); }

}  // namespace

bool is_reserved_agent(std::string_view id) {
  return id == "server-scanner" || id == "cloud-aws-sm" || id == "cloud-azure-kv" || id == "cloud-gcp-sm";
}

BlockedByDependencies::BlockedByDependencies(store::agents::Dependants counts)
    : Error(ErrorKind::conflict, "Agent has active downstream dependencies. Retire or reassign them first, or re-run with ?force=true&reason=... to cascade."),
      counts_(counts) {}

Agents::Registered Agents::enroll(const Context& context, const json::Value& body) {
  Agent agent;
  domain::merge_json(body, agent, kEnrollable);
  if (trim(agent.name).empty()) throw invalid_field("name", "required", "name is required");
  if (count_characters(agent.name) > 128) throw invalid_field("name", "length", "name must be 128 characters or fewer");
  if (trim(agent.hostname).empty()) throw invalid_field("hostname", "required", "hostname is required");
  if (count_characters(agent.hostname) > 255) throw invalid_field("hostname", "length", "hostname must be 255 characters or fewer");
  const std::tuple<std::string_view, const std::string&, std::size_t> limits[] = {
      {"os", agent.os, 100}, {"architecture", agent.architecture, 100}, {"ip_address", agent.ip_address, 45}, {"version", agent.version, 50}};
  for (const auto& [field, value, limit] : limits) {
    if (count_characters(value) > limit) throw invalid_field(std::string(field), "length", fmt::format("{} must be {} characters or fewer", field, limit));
  }
  if (is_reserved_agent(agent.id)) throw conflict("this agent id is reserved", "duplicate");
  if (agent.id.find_first_of(":@") != std::string::npos) throw invalid_field("id", "pattern", "an agent's id must not hold ':' or '@': it becomes a file name");
  agent.id = chosen_id(agent.id, "agent", ground_.clock);
  agent.status = AgentStatus::Online;
  agent.registered_at = ground_.clock.now();
  agent.last_heartbeat_at = agent.registered_at;
  std::string api_key = new_api_key();
  try {
    mutate(ground_, context, [&](db::Transaction& tx) {
      store::agents::insert(tx, agent, crypto::sha256_hex(api_key));
      json::Writer details;
      details.begin_object().field("agent_name", agent.name).field("hostname", agent.hostname).end_object();
      ground_.audit.record(tx, context, {"agent_registered", "agent", agent.id, json::Raw{details.take()}});
    });
  } catch (const db::UniqueViolation& e) {
    throw conflict(fmt::format("Agent with this {} already exists", e.constraint() == "agents_pkey" ? "id" : "name"), "duplicate");
  }
  return {get(agent.id), std::move(api_key)};
}

Agent Agents::get(const std::string& id) {
  auto agent = store::agents::find(ground_.database, id);
  if (!agent) throw not_found("Agent not found");
  return *std::move(agent);
}

Agent Agents::require_active(const std::string& id) {
  Agent agent = get(id);
  if (agent.retired_at) throw Error(ErrorKind::gone, "Agent has been retired");
  return agent;
}

store::Page<Agent> Agents::list(const store::agents::Filter& filter, const store::PageRequest& page) {
  return store::agents::list(ground_.database, filter, page);
}

std::string Agents::lease_owner(const Agent& agent) {
  return fmt::format("agent:{}@{}", agent.id, agent.started_at ? format_time(*agent.started_at) : "");
}

void Agents::heartbeat(const std::string& id, const std::string& body) {
  const Agent before = require_active(id);
  store::agents::Heartbeat beat;
  std::optional<std::vector<std::string>> running;
  try {
    const auto document = json::parse(trim(body).empty() ? "{}" : body);
    beat.version = fitting(document, "version", 50);
    beat.hostname = fitting(document, "hostname", 255);
    beat.os = fitting(document, "os", 100);
    beat.architecture = fitting(document, "architecture", 100);
    beat.ip_address = fitting(document, "ip_address", 45);
    if (json::find(document, "capabilities") != nullptr) beat.capabilities = json::texts(document, "capabilities");
    if (const auto* plugins = json::find(document, "plugins"); plugins != nullptr && plugins->IsArray()) beat.plugins = json::raw(*plugins);
    if (json::find(document, "clock_skew_ms") != nullptr) beat.clock_skew_ms = std::int32_t(json::integer_or(document, "clock_skew_ms", 0));
    if (json::find(document, "pending_reports") != nullptr) beat.pending_reports = std::int32_t(json::integer_or(document, "pending_reports", 0));
    beat.started_at = parse_time(json::text_or(document, "started_at"));
    if (json::find(document, "running_jobs") != nullptr) running = json::texts(document, "running_jobs");
  } catch (const Error&) {
    // A heartbeat all the same, without metadata.
  }
  Agent now = before;
  if (beat.started_at) now.started_at = beat.started_at;
  const std::string owner = lease_owner(now);
  const bool restarted = beat.started_at && before.started_at != beat.started_at;
  ground_.database.transaction([&](db::Transaction& tx) {
    if (!store::agents::heartbeat(tx, id, beat)) throw Error(ErrorKind::gone, "Agent has been retired");
    if (running) store::jobs::extend(tx, owner, *running, settings_.work_lease);
    if (!restarted) return;
    // Work of the agent's former life is handed out again at once.
    if (!store::jobs::release_agent_leases(tx, id, owner).empty()) db::wake(tx, "jobs", id);
  });
}

std::string Agents::rotate_key(const Context& context, const std::string& id) {
  require_active(id);
  if (context.actor.agent_id != id && !context.actor.admin) throw Error(ErrorKind::forbidden, "only the agent itself or an administrator may rotate its key");
  std::string api_key = new_api_key();
  mutate(ground_, context, [&](db::Transaction& tx) {
    store::agents::set_next_key(tx, id, crypto::sha256_hex(api_key), ground_.clock.now() + std::chrono::hours(24));
    ground_.audit.record(tx, context, {"agent_key_rotated", "agent", id});
  });
  return api_key;
}

Agents::Retirement Agents::retire(const Context& context, const std::string& id, bool force, const std::string& reason) {
  if (is_reserved_agent(id)) throw Error(ErrorKind::forbidden, "Agent is a reserved sentinel and cannot be retired");
  const std::string why(trim(reason));
  return mutate(ground_, context, [&](db::Transaction& tx) {
    const auto agent = store::agents::find_for_update(tx, id);
    if (!agent) throw not_found("Agent not found");
    Retirement result;
    if (agent->retired_at) {
      result.already = true;
      result.retired_at = *agent->retired_at;
      return result;
    }
    result.counts = store::agents::dependants(tx, id);
    if (force && why.empty()) throw invalid_field("reason", "required", "force=true requires a non-empty reason");
    if (result.counts.any() && !force) throw BlockedByDependencies(result.counts);
    result.retired_at = ground_.clock.now();
    result.cascade = result.counts.any();
    store::agents::retire(tx, id, result.retired_at, why);
    json::Writer details;
    details.begin_object().field("reason", why).field("counts", counts_of(result.counts)).end_object();
    const json::Raw facts{details.take()};
    if (result.cascade) {
      store::agents::retire_targets(tx, id, result.retired_at, why);
      store::jobs::cancel_of_agent(tx, id, "assigned agent is retired");
      ground_.audit.record(tx, context, {"agent_retirement_cascaded", "agent", id, facts});
    }
    ground_.audit.record(tx, context, {"agent_retired", "agent", id, facts});
    db::wake(tx, "jobs", id);
    return result;
  });
}

}  // namespace certctl::service
