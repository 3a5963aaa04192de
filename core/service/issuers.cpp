#include "core/service/issuers.hpp"

#include <certctl/keys.h>
#include <fmt/format.h>

#include <algorithm>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/service/issuance_checks.hpp"
#include "core/service/refusals.hpp"
#include "core/store/issuers.hpp"

namespace certctl::service {
namespace {

using domain::Issuer;

constexpr std::string_view kChosen[] = {"id", "name", "type", "config", "hierarchy_mode"};
constexpr std::string_view kWritable[] = {"name", "type", "enabled", "hierarchy_mode"};
constexpr std::string_view kTaken = "An issuer with this name already exists";
constexpr std::string_view kInUse = "Cannot delete issuer: certificates are still using this issuer";
constexpr auto kTestTimeout = std::chrono::seconds(30);
constexpr int kWriteTries = 3;

void require_basics(const Issuer& issuer) {
  require_name(issuer.name);
  if (trim(issuer.type).empty()) throw invalid_field("type", "required", "type is required");
  if (!issuer.hierarchy_mode.empty() && issuer.hierarchy_mode != "single" && issuer.hierarchy_mode != "tree") {
    throw invalid_field("hierarchy_mode", "unknown", "hierarchy_mode must be one of: single, tree");
  }
}

template <typename F>
auto unless_taken(F&& f) {
  try {
    return f();
  } catch (const db::UniqueViolation& e) {
    const std::string field = e.constraint() == "issuers_pkey" ? "id" : "name";
    throw Error(ErrorKind::conflict, std::string(kTaken), {{field, "duplicate", std::string(kTaken)}}).with_code("duplicate");
  }
}

Error in_use(const store::issuers::Dependants& used) {
  return still_used(std::string(kInUse), {{"certificates", used.certificates},
                                          {"versions", used.versions},
                                          {"revocations", used.revocations},
                                          {"intermediate_cas", used.intermediate_cas},
                                          {"open_issuances", used.open_intents},
                                          {"unexpired_certificates", used.unexpired}});
}

/// `/a/b/c` = text, with the objects on the way.
void set_at(json::Document& document, std::string_view pointer, const std::string& text) {
  auto& allocator = document.GetAllocator();
  json::Value* place = &document;
  for (const auto part : split(pointer.substr(1), '/')) {
    if (!place->IsObject()) place->SetObject();
    json::Value name(part.data(), rapidjson::SizeType(part.size()), allocator);
    if (!place->HasMember(name)) place->AddMember(json::Value(name, allocator), json::Value(), allocator);
    place = &(*place)[name];
  }
  place->SetString(text.data(), rapidjson::SizeType(text.size()), allocator);
}

}  // namespace

IssuerView Issuers::view(Issuer issuer) const {
  IssuerView view{std::move(issuer), {}, {}};
  const auto* connector = settings().find(view.type);
  if (connector != nullptr) view.type = connector->type();  // old rows hold aliases
  else view.state = "unavailable";
  view.config = settings().masked(view.type, view.config);
  view.config_warnings = settings().warnings(view.type, view.config);
  return view;
}

IssuerView Issuers::create(const Context& context, const json::Value& body) {
  Issuer issuer;
  domain::merge_json(body, issuer, kChosen);
  require_basics(issuer);
  const auto& connector = settings().chosen(issuer.type);
  issuer.type = connector.type();
  issuer.id = chosen_id(issuer.id, "issuer", ground_.clock);
  issuer.source = "database";
  issuer.created_at = issuer.updated_at = ground_.clock.now();
  auto columns = settings().columns(connector, settings().accepted(connector, issuer.config, {}));
  issuer.config = std::move(columns.config);
  *issuer.encrypted_config = std::move(columns.sealed);
  unless_taken([&] {
    mutate(ground_, context, [&](db::Transaction& tx) {
      store::issuers::insert(tx, issuer);
      ground_.audit.record(tx, context, {"create_issuer", "issuer", issuer.id});
    });
  });
  return get(issuer.id);
}

IssuerView Issuers::get(const std::string& id) {
  auto issuer = store::issuers::find(ground_.database, id);
  if (!issuer) throw not_found("Issuer not found");
  return view(*std::move(issuer));
}

store::Page<IssuerView> Issuers::list(const store::PageRequest& page) {
  auto issuers = store::issuers::list(ground_.database, page);
  store::Page<IssuerView> views{{}, issuers.total};
  for (auto& issuer : issuers.rows) views.rows.push_back(view(std::move(issuer)));
  return views;
}

IssuerView Issuers::update(const Context& context, const std::string& id, const json::Value& body) {
  for (int attempt = 0; attempt < kWriteTries; ++attempt) {
    if (try_update(context, id, body)) return get(id);
  }
  throw changed_meanwhile("the issuer");
}

/// False: the row changed between reading and writing. No transaction is open while the plugin looks at the settings.
bool Issuers::try_update(const Context& context, const std::string& id, const json::Value& body) {
  const auto before = store::issuers::find(ground_.database, id);
  if (!before) throw not_found("Issuer not found");
  Issuer issuer = *before;
  domain::merge_json(body, issuer, kWritable);
  require_basics(issuer);
  const auto& old_connector = settings().of_row(before->type);
  const auto& connector = settings().chosen(issuer.type);
  const bool other_type = connector.type() != old_connector.type();
  issuer.type = connector.type();

  auto rewrite = settings().rewritten(connector, body, before->config, *before->encrypted_config, other_type);
  if (rewrite.columns) {
    issuer.config = std::move(rewrite.columns->config);
    *issuer.encrypted_config = std::move(rewrite.columns->sealed);
  }
  auto changes = std::move(rewrite.changed);
  if (!changes.empty() || other_type) issuer.test_status = std::string(domain::name_of(domain::TestStatus::untested));
  if (issuer.name != before->name) changes.emplace_back("name");
  if (other_type) changes.emplace_back("type");
  if (issuer.enabled != before->enabled) changes.emplace_back("enabled");
  if (issuer.hierarchy_mode != before->hierarchy_mode) changes.emplace_back("hierarchy_mode");
  json::Writer details;
  details.begin_object().field("changed", changes).end_object();
  return unless_taken([&] {
    return ground_.database.transaction([&](db::Transaction& tx) {
      if (other_type) {
        store::issuers::find_for_update(tx, id);
        if (const auto used = store::issuers::dependants(tx, id); used.certificates != 0) {
          throw still_used("Cannot change the type of an issuer while certificates use it", {{"certificates", used.certificates}});
        }
      }
      if (!store::issuers::update(tx, issuer)) return false;
      ground_.audit.record(tx, context, {"update_issuer", "issuer", id, json::Raw{details.take()}});
      ground_.audit.record_call(tx, context);
      return true;
    });
  });
}

void Issuers::remove(const Context& context, const std::string& id) {
  try {
    mutate(ground_, context, [&](db::Transaction& tx) {
      if (!store::issuers::find_for_update(tx, id)) throw not_found("Issuer not found");
      if (const auto used = store::issuers::dependants(tx, id); used.any()) throw in_use(used);
      store::issuers::remove(tx, id);
      ground_.audit.record(tx, context, {"delete_issuer", "issuer", id});
    });
  } catch (const db::ForeignKeyViolation&) {
    throw in_use(store::issuers::dependants(ground_.database, id));
  }
  registry_.forget(id);
}

Issuers::TestReport Issuers::test(const Context& context, const std::string& id) {
  const auto issuer = store::issuers::find(ground_.database, id);
  if (!issuer) throw not_found("Issuer not found");
  const auto begun = ground_.clock.steady();
  TestReport report;
  try {
    report = run_test(*issuer);
  } catch (const Error& e) {
    report.kind = to_text(e.kind());
    report.detail = e.what();
  }
  report.latency = std::chrono::duration_cast<std::chrono::milliseconds>(ground_.clock.steady() - begun);
  json::Writer details;
  details.begin_object().field("issuer_type", issuer->type).field("result", report.success ? "success" : report.kind).end_object();
  // The call's own event is the HTTP chain's: only there it is known that a failed test is answered with 500.
  ground_.database.transaction([&](db::Transaction& tx) {
    store::issuers::set_test_result(tx, id, report.success ? domain::TestStatus::success : domain::TestStatus::failed, ground_.clock.now());
    ground_.audit.record(tx, context, {report.success ? "issuer_test_connection_success" : "issuer_test_connection_failed", "issuer", id,
                                       json::Raw{details.take()}});
  });
  return report;
}

Issuers::TestReport Issuers::run_test(const Issuer& issuer) {
  TestReport report;
  const auto instance = registry_.instance(issuer.id);
  const auto call_for = [&] {
    plugin::Call call;
    call.timeout = kTestTimeout;
    if (instance->connector().manifest().has_capability("own-ca")) {
      const auto ca = cas_.active(issuer.id, registry_.full_config(issuer));
      call.in.add(CERTCTL_KEY_CA_REF, ca->id);
      report.ca_not_after = ca->chain.front().not_after();
    }
    return call;
  };
  const auto outcome = instance->call("test", call_for());
  bool all_good = true;
  for (const auto& finding : outcome.findings()) {
    const bool ok = finding.severity != plugin::Severity::bad;
    all_good = all_good && ok;
    report.checks.push_back({finding.path.empty() ? "connection" : finding.path.substr(1), ok, finding.text});
  }
  report.success = outcome.done() && all_good;
  if (!report.success) {
    report.kind = outcome.done() ? "invalid_config" : plugin::to_text(outcome.status);
    const auto bad = std::ranges::find(report.checks, false, &Check::ok);
    report.detail = !outcome.text.empty() || bad == report.checks.end() ? outcome.text : bad->message;
    return report;
  }
  if (!report.ca_not_after && instance->supports("ca_chain")) {
    const auto chain = instance->call("ca_chain", call_for());
    if (chain.done()) report.ca_not_after = certificates_of(chain.out).front().not_after();
  }
  return report;
}

bool Issuers::seed(const std::function<std::string(const std::string&)>& variable) {
  if (store::issuers::any(ground_.database)) return false;
  const auto connectors = settings().connectors();
  const auto own = std::ranges::find_if(connectors, [](const auto* c) { return c->manifest().has_capability("own-ca"); });
  if (own == connectors.end()) return false;
  const auto& connector = **own;
  json::Document config(rapidjson::kObjectType);
  for (const auto& seed : connector.schema().seeds()) {
    if (const std::string value = variable(seed.variable); !value.empty()) set_at(config, seed.pointer, value);
  }
  const json::Raw full = settings().accepted(connector, json::raw(config), {});
  Issuer issuer;
  issuer.id = "iss-local";
  issuer.name = "Local CA";
  issuer.type = connector.type();
  issuer.source = "env";
  issuer.created_at = ground_.clock.now();
  // Paths and numbers only: an own CA has no secret settings, so they may stand in clear when there is no passphrase.
  issuer.config = full;
  if (settings().can_seal()) {
    auto columns = settings().columns(connector, full);
    issuer.config = std::move(columns.config);
    *issuer.encrypted_config = std::move(columns.sealed);
  }
  return ground_.database.transaction([&](db::Transaction& tx) {
    if (!store::issuers::seed(tx, issuer)) return false;
    ground_.audit.record(tx, system_context(), {"create_issuer", "issuer", issuer.id});
    return true;
  });
}

}  // namespace certctl::service
