#include "core/service/targets.hpp"

#include <fmt/format.h>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/base/time.hpp"
#include "core/service/refusals.hpp"
#include "core/store/agents.hpp"
#include "core/store/targets.hpp"

namespace certctl::service {
namespace {

using domain::Target;

constexpr std::string_view kChosen[] = {"id", "name", "type", "agent_id", "config"};
constexpr std::string_view kWritable[] = {"name", "type", "agent_id", "enabled"};
constexpr auto kStale = std::chrono::minutes(5);
constexpr int kWriteTries = 3;

void require_basics(const Target& target) {
  require_name(target.name);
  if (trim(target.type).empty()) throw invalid_field("type", "required", "type is required");
  if (target.agent_id.empty()) throw invalid_field("agent_id", "required", "agent_id is required");
}

template <typename F>
auto explained(const Target& target, F&& f) {
  try {
    return f();
  } catch (const db::UniqueViolation& e) {
    throw already_exists("Target", e.constraint() == "deployment_targets_pkey" ? "id" : "name");
  } catch (const db::ForeignKeyViolation&) {
    throw missing_reference("agent_id", "agent", target.agent_id);
  }
}

/// Without the commands that only the schema's defaults put there.
json::Raw without_default_commands(const json::Raw& filled, const json::Raw& given) {
  const auto all = json::parse(filled.text), chosen = json::parse(given.text);
  json::Writer out;
  out.begin_object();
  for (const auto& member : all.GetObject()) {
    const auto name = json::text_of(member.name);
    if (name.ends_with("_command") && !chosen.HasMember(member.name)) continue;
    out.key(name);
    out.value(member.value);
  }
  out.end_object();
  return json::Raw{out.take()};
}

/// Upstream's words, in upstream's order; empty: all is well.
std::string agent_fault(const std::string& id, const std::optional<domain::Agent>& agent, Time now) {
  if (id.empty()) return "target has no assigned agent";
  if (!agent) return "assigned agent not found: " + id;
  if (agent->retired_at) return fmt::format("assigned agent {} is retired", id);
  if (!equal_ignore_case(agent->status.text(), "Online")) {
    return fmt::format("assigned agent {} is {} (expected Online)", id, agent->status.text());
  }
  if (!agent->last_heartbeat_at) return {};
  const auto silence = std::chrono::duration_cast<std::chrono::seconds>(now - *agent->last_heartbeat_at);
  if (silence <= kStale) return {};
  return fmt::format("assigned agent {} last heartbeat was {} ago (stale)", id, format_duration(silence));
}

}  // namespace

TargetView Targets::view(Target target) const {
  TargetView view{std::move(target), {}, {}};
  view.config = settings_.masked(view.type, view.config);
  view.config_warnings = settings_.warnings(view.type, view.config);
  if (settings_.find(view.type) == nullptr) view.state = "unavailable";
  return view;
}

void Targets::check_agent(const std::string& agent_id) {
  const auto agent = store::agents::find(ground_.database, agent_id);
  if (!agent) throw missing_reference("agent_id", "agent", agent_id);
  if (agent->retired_at) throw missing_reference("agent_id", "agent", agent_id + " (retired)");
}

TargetView Targets::create(const Context& context, const json::Value& body) {
  Target target;
  domain::merge_json(body, target, kChosen);
  require_basics(target);
  const auto& connector = settings_.chosen(target.type);
  check_agent(target.agent_id);
  target.type = connector.type();
  target.id = chosen_id(target.id, "target", ground_.clock);
  target.source = "database";
  target.created_at = target.updated_at = ground_.clock.now();
  auto columns = settings_.columns(connector, settings_.accepted(connector, target.config, {}));
  target.config = std::move(columns.config);
  *target.encrypted_config = std::move(columns.sealed);
  explained(target, [&] {
    mutate(ground_, context, [&](db::Transaction& tx) {
      store::targets::insert(tx, target);
      ground_.audit.record(tx, context, {"create_target", "target", target.id});
    });
  });
  return get(target.id);
}

TargetView Targets::get(const std::string& id) {
  auto target = store::targets::find(ground_.database, id);
  if (!target) throw not_found("Target not found");
  return view(*std::move(target));
}

store::Page<TargetView> Targets::list(const store::PageRequest& page) {
  auto targets = store::targets::list(ground_.database, page);
  store::Page<TargetView> views{{}, targets.total};
  for (auto& target : targets.rows) views.rows.push_back(view(std::move(target)));
  return views;
}

TargetView Targets::update(const Context& context, const std::string& id, const json::Value& body) {
  for (int attempt = 0; attempt < kWriteTries; ++attempt) {
    if (try_update(context, id, body)) return get(id);
  }
  throw changed_meanwhile("the target");
}

/// False: the row changed between reading and writing. No transaction is open while the plugin looks at the settings.
bool Targets::try_update(const Context& context, const std::string& id, const json::Value& body) {
  const auto before = store::targets::find(ground_.database, id);
  if (!before) throw not_found("Target not found");
  if (before->retired_at) throw conflict("Target is retired and takes no changes", "wrong_state");
  Target target = *before;
  domain::merge_json(body, target, kWritable);
  require_basics(target);
  const auto& connector = equal_ignore_case(target.type, before->type) ? settings_.of_row(target.type) : settings_.chosen(target.type);
  target.type = connector.type();
  if (target.agent_id != before->agent_id) check_agent(target.agent_id);

  auto rewrite = settings_.rewritten(connector, body, before->config, *before->encrypted_config, before->type != target.type);
  if (rewrite.columns) {
    target.config = std::move(rewrite.columns->config);
    *target.encrypted_config = std::move(rewrite.columns->sealed);
  }
  auto changes = std::move(rewrite.changed);
  if (!changes.empty()) target.test_status = std::string(domain::name_of(domain::TestStatus::untested));
  if (target.name != before->name) changes.emplace_back("name");
  if (target.type != before->type) changes.emplace_back("type");
  if (target.agent_id != before->agent_id) changes.emplace_back("agent_id");
  if (target.enabled != before->enabled) changes.emplace_back("enabled");
  json::Writer details;
  details.begin_object().field("changed", changes).end_object();
  return explained(target, [&] {
    return ground_.database.transaction([&](db::Transaction& tx) {
      if (!store::targets::update(tx, target)) return false;
      ground_.audit.record(tx, context, {"update_target", "target", id, json::Raw{details.take()}});
      ground_.audit.record_call(tx, context);
      return true;
    });
  });
}

void Targets::remove(const Context& context, const std::string& id) {
  mutate(ground_, context, [&](db::Transaction& tx) {
    if (!store::targets::remove(tx, id, ground_.clock.now())) throw not_found("Target not found");
    ground_.audit.record(tx, context, {"delete_target", "target", id});
  });
}

Targets::TestResult Targets::test(const Context& context, const std::string& id) {
  const auto target = store::targets::find(ground_.database, id);
  if (!target) return {false, "target not found: " + id};
  const auto agent = store::agents::find(ground_.database, target->agent_id);
  const std::string fault = agent_fault(target->agent_id, agent, ground_.clock.now());
  const TestResult result{fault.empty(), fault.empty() ? "Agent is online and reachable" : fault};
  json::Writer details;
  details.begin_object().field("target_type", target->type).field("result", result.message).field("agent_id", target->agent_id).end_object();
  mutate(ground_, context, [&](db::Transaction& tx) {
    store::targets::set_test_result(tx, id, result.success ? domain::TestStatus::success : domain::TestStatus::failed, ground_.clock.now());
    ground_.audit.record(tx, context, {result.success ? "target_test_connection_success" : "target_test_connection_failed", "target", id,
                                       json::Raw{details.take()}});
  });
  return result;
}

json::Raw Targets::work_config(const Target& target, bool secrets) const {
  const json::Raw given = settings_.open(target.config, *target.encrypted_config);
  const json::Raw filled = settings_.filled(target.type, target.config, *target.encrypted_config);
  const json::Raw work = wire_forms(without_default_commands(filled, given));
  return secrets ? work : settings_.masked(target.type, work);
}

}  // namespace certctl::service
