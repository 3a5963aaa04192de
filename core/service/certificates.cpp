#include "core/service/certificates.hpp"

#include <fmt/format.h>

#include "core/base/error.hpp"
#include "core/base/id.hpp"
#include "core/base/text.hpp"
#include "core/crypto/san.hpp"
#include "core/store/jobs.hpp"
#include "core/store/references.hpp"
#include "core/store/targets.hpp"
#include "core/store/versions.hpp"

namespace certctl::service {
namespace {

using domain::Certificate;
using domain::CertificateStatus;
using domain::JobType;

constexpr std::size_t kMaxSans = 100;
constexpr std::string_view kCreatable[] = {"id", "name", "common_name", "sans", "environment", "owner_id", "team_id", "issuer_id",
                                           "renewal_policy_id", "certificate_profile_id", "target_ids", "tags", "status", "expires_at"};

/// What upstream's clients may change by PUT; empty texts and lists count as absent.
constexpr std::string_view kChangeable[] = {"name", "common_name", "sans", "environment", "owner_id", "team_id", "issuer_id",
                                            "renewal_policy_id", "certificate_profile_id", "target_ids", "tags"};

void check_tags(const std::map<std::string, std::string>& tags) {
  if (tags.size() > 64) throw invalid_field("tags", "length", "tags must hold at most 64 entries");
  for (const auto& [key, value] : tags) {
    if (key.empty() || count_characters(key) > 128 || count_characters(value) > 1024) {
      throw invalid_field("tags", "length", fmt::format("tags: key \"{}\" must have 1 to 128 characters, its value at most 1024", printable(shorten(key, 64))));
    }
  }
}

void check_sans(const std::vector<std::string>& sans) {
  if (sans.size() > kMaxSans) throw invalid_field("sans", "length", fmt::format("sans must hold at most {} names", kMaxSans));
  for (std::size_t i = 0; i < sans.size(); ++i) {
    try {
      crypto::classify_san(sans[i]);
    } catch (const Error& e) {
      throw invalid_field(fmt::format("sans/{}", i), "format", fmt::format("sans[{}]: {}", i, e.what()));
    }
  }
}

void check_names(Certificate& certificate) {
  if (count_characters(certificate.common_name) > 253) {
    throw invalid_field("common_name", "length", "common_name must be 253 characters or fewer");
  }
  try {
    certificate.common_name = crypto::canonical_common_name(certificate.common_name);
  } catch (const Error& e) {
    throw invalid_field("common_name", "format", e.what());
  }
  check_sans(certificate.sans);
  check_tags(certificate.tags);
  require_name(certificate.name);
  if (count_characters(certificate.environment) > 50) throw invalid_field("environment", "length", "environment must be 50 characters or fewer");
}

[[noreturn]] void refuse_duplicate(const db::UniqueViolation& e) {
  const bool id = e.constraint() == "managed_certificates_pkey";
  throw conflict(fmt::format("Certificate with this {} already exists", id ? "id" : "name"), "duplicate");
}

/// Which call changes the status to what a client wrote into a PUT.
std::string verb_for(const Certificate& now, const std::string& wanted) {
  if (wanted == "Archived") return "use DELETE /api/v1/certificates/{id}";
  if (wanted == "Revoked") return "use POST /api/v1/certificates/{id}/revoke";
  if (wanted == "RenewalInProgress") return "use POST /api/v1/certificates/{id}/renew";
  if (wanted == "Active" && now.status.is_one_of(CertificateStatus::Revoked, CertificateStatus::Expired)) {
    return "use POST /api/v1/certificates/{id}/reissue";
  }
  return "it is set by the system";
}

std::string changed_fields(const Certificate& before, const Certificate& after) {
  json::Writer out;
  out.begin_object().key("changed").begin_array();
  const auto note = [&](bool differs, std::string_view name) { if (differs) out.value(name); };
  note(before.name != after.name, "name");
  note(before.common_name != after.common_name, "common_name");
  note(before.sans != after.sans, "sans");
  note(before.environment != after.environment, "environment");
  note(before.owner_id != after.owner_id, "owner_id");
  note(before.team_id != after.team_id, "team_id");
  note(before.issuer_id != after.issuer_id, "issuer_id");
  note(before.renewal_policy_id != after.renewal_policy_id, "renewal_policy_id");
  note(before.certificate_profile_id != after.certificate_profile_id, "certificate_profile_id");
  note(before.target_ids != after.target_ids, "target_ids");
  note(before.tags != after.tags, "tags");
  out.end_array().end_object();
  return out.take();
}

}  // namespace

Certificate Certificates::checked_new(const json::Value& body) {
  Certificate certificate;
  domain::merge_json(body, certificate, kCreatable);
  const std::pair<std::string_view, const std::string&> required[] = {
      {"common_name", certificate.common_name}, {"owner_id", certificate.owner_id},   {"team_id", certificate.team_id},
      {"issuer_id", certificate.issuer_id},     {"name", certificate.name},           {"renewal_policy_id", certificate.renewal_policy_id}};
  std::vector<FieldError> missing;
  for (const auto& [field, value] : required) {
    if (trim(value).empty()) missing.push_back({std::string(field), "required", fmt::format("{} is required", field)});
    if (field == "common_name" && missing.empty()) {
      try {
        crypto::check_common_name(certificate.common_name);
      } catch (const Error& e) {
        throw invalid_field("common_name", "format", e.what());
      }
    }
  }
  if (!missing.empty()) {
    const std::string message = missing.front().message;
    throw Error(ErrorKind::invalid, message, std::move(missing));
  }
  check_names(certificate);
  certificate.id = chosen_id(certificate.id, "cert", ground_.clock);
  certificate.source = "API";
  certificate.created_at = certificate.updated_at = ground_.clock.now();
  // Upstream's import registers what is served already: `Active`, with its end; every other status is ours to set.
  if (!certificate.status.is(CertificateStatus::Active)) {
    certificate.status = CertificateStatus::Pending;
    certificate.expires_at.reset();
  }
  return certificate;
}

void Certificates::check_references(const Certificate& c) {
  const auto missing = store::references::missing(
      ground_.database, {c.owner_id, c.team_id, c.issuer_id, c.renewal_policy_id, c.certificate_profile_id, c.target_ids});
  if (missing) {
    throw invalid_field(missing->field, "reference", fmt::format("referenced {} does not exist: {}", missing->thing, printable(shorten(missing->id, 128))));
  }
}

void Certificates::require_issuable(db::Executor db, const Certificate& certificate) {
  const auto gate = store::references::profile_gate(db, certificate.certificate_profile_id);
  if (!gate) return;
  if (!gate->enabled) {
    throw conflict(fmt::format("profile \"{}\" is disabled; enable it or choose another profile", gate->name), "profile_disabled");
  }
  if (gate->requires_approval) {
    throw conflict(fmt::format("profile \"{}\" requires approval, and this version has no approval workflow; nothing is issued under it", gate->name),
                   "awaiting_approval");
  }
}

Certificate Certificates::create(const Context& context, const json::Value& body) {
  const Certificate certificate = checked_new(body);
  check_references(certificate);
  const bool import = certificate.status.is(CertificateStatus::Active);
  const bool wanted = !import && json::flag_or(body, "auto_issue", true);
  try {
    mutate(ground_, context, [&](db::Transaction& tx) {
      store::certificates::insert(tx, certificate);
      json::Writer details;
      details.begin_object().field("common_name", certificate.common_name).end_object();
      ground_.audit.record(tx, context, {"certificate_created", "certificate", certificate.id, json::Raw{details.take()}});
      if (!wanted || store::references::profile_gate(tx, certificate.certificate_profile_id).value_or(store::references::ProfileGate{}).blocks()) return;
      bool able = keys_ == KeyGeneration::server;
      for (const auto& holder : store::certificates::key_holders(tx, {certificate.id})) able = able || holder.live;
      if (able) start(tx, context, certificate, "create", false);
    });
  } catch (const db::UniqueViolation& e) {
    refuse_duplicate(e);
  } catch (const db::ForeignKeyViolation& e) {
    throw invalid(fmt::format("a referenced object was deleted meanwhile ({})", e.constraint()));
  }
  return get(certificate.id);
}

Certificate Certificates::get(const std::string& id) {
  auto certificate = store::certificates::find(ground_.database, id);
  if (!certificate) throw not_found("Certificate not found");
  return *std::move(certificate);
}

store::Page<Certificate> Certificates::list(const store::certificates::Filter& filter, const store::PageRequest& page) {
  return store::certificates::list(ground_.database, filter, page);
}

Certificate Certificates::update(const Context& context, const std::string& id, const json::Value& body) {
  const Certificate before = get(id);
  const std::string wanted = json::text_or(body, "status");
  if (!wanted.empty() && wanted != before.status.text()) {
    throw conflict(fmt::format("status is read-only; {}", verb_for(before, wanted)), "wrong_state");
  }
  Certificate sent;
  domain::merge_json(body, sent, kChangeable);
  Certificate after = before;
  const auto take = [](auto& to, const auto& from) { if (!from.empty()) to = from; };
  take(after.name, sent.name);
  take(after.common_name, sent.common_name);
  take(after.sans, sent.sans);
  take(after.environment, sent.environment);
  take(after.owner_id, sent.owner_id);
  take(after.team_id, sent.team_id);
  take(after.issuer_id, sent.issuer_id);
  take(after.renewal_policy_id, sent.renewal_policy_id);
  take(after.certificate_profile_id, sent.certificate_profile_id);
  take(after.target_ids, sent.target_ids);
  if (const auto* tags = json::find(body, "tags"); tags != nullptr && tags->IsObject()) after.tags = sent.tags;
  check_names(after);
  check_references(after);
  try {
    mutate(ground_, context, [&](db::Transaction& tx) {
      if (!store::certificates::update(tx, after)) throw not_found("Certificate not found");
      if (after.target_ids != before.target_ids) store::certificates::replace_targets(tx, id, after.target_ids);
      ground_.audit.record(tx, context, {"certificate_updated", "certificate", id, json::Raw{changed_fields(before, after)}});
    });
  } catch (const db::UniqueViolation& e) {
    refuse_duplicate(e);
  }
  return get(id);
}

void Certificates::archive(const Context& context, const std::string& id) {
  mutate(ground_, context, [&](db::Transaction& tx) {
    const auto certificate = store::certificates::find_for_update(tx, id);
    if (!certificate) throw not_found("Certificate not found");
    if (certificate->status.is(CertificateStatus::Archived)) return;
    store::certificates::change_status(tx, id, {certificate->status.text()}, CertificateStatus::Archived);
    store::jobs::cancel_of_certificate(tx, id, "certificate archived", true, true, true);
    ground_.audit.record(tx, context, {"certificate_archived", "certificate", id});
  });
}

store::Page<domain::CertificateVersion> Certificates::versions(const std::string& id, const store::PageRequest& page) {
  get(id);
  return store::versions::list(ground_.database, id, page);
}

std::vector<domain::Target> Certificates::targets(const std::string& id) {
  get(id);
  return store::certificates::targets_of(ground_.database, id);
}

Certificates::Renewal Certificates::start(db::Transaction& tx, const Context& context, const Certificate& certificate, const std::string& trigger,
                                          bool force) {
  if (force) store::jobs::cancel_of_certificate(tx, certificate.id, "superseded by forced renewal", true, false, true);
  const auto policy_retries = store::references::max_retries(tx, certificate.renewal_policy_id);
  JobQueue::Issuance wanted;
  wanted.certificate_id = certificate.id;
  wanted.issuer_id = certificate.issuer_id;
  wanted.type = certificate.current_version_id.empty() ? JobType::Issuance : JobType::Renewal;
  wanted.trigger = trigger;
  wanted.requested_by = context.actor.name;
  wanted.priority = 75;
  wanted.max_attempts = std::max(1, policy_retries);
  const auto queued = queue_.issue(tx, {&wanted, 1});
  Renewal result;
  if (queued.empty()) {  // one that has a CA order goes on, and is the answer
    const auto open = store::jobs::open_issuances(tx, certificate.id);
    if (!open.empty()) result = {open.front().id, open.front().status.text(), {}};
    return result;
  }
  result = {queued.front().job_id, std::string(domain::name_of(queued.front().status)), {}};
  if (queued.front().no_agent) {
    result.warnings.push_back("no agent has a target of this certificate, so nobody can generate its key; map a target of a live agent");
  }
  return result;
}

Certificates::Renewal Certificates::renew(const Context& context, const std::string& id, bool force) {
  return mutate(ground_, context, [&](db::Transaction& tx) {
    const auto certificate = store::certificates::find_for_update(tx, id);
    if (!certificate) throw not_found("Certificate not found");
    const auto refuse = [](const std::string& why) { throw invalid(why); };
    if (certificate->status.is(CertificateStatus::Archived)) refuse("cannot renew archived certificate");
    if (certificate->status.is(CertificateStatus::Expired)) refuse("cannot renew expired certificate; reissue instead");
    if (certificate->status.is(CertificateStatus::Revoked)) refuse("cannot renew revoked certificate; reissue instead");

    // Creation queues the first issuance itself; the `renew` that upstream's clients send next is answered with it.
    const auto latest = store::jobs::latest_issuance(tx, id);
    const bool first = latest && latest->type.is(JobType::Issuance) && *latest->trigger == "create" && !force;
    if (first && (latest->status.is_one_of(domain::JobStatus::Pending, domain::JobStatus::AwaitingCSR, domain::JobStatus::Running) ||
                  (latest->status.is(domain::JobStatus::Completed) && ground_.clock.now() - certificate->created_at < std::chrono::seconds(60)))) {
      return Renewal{latest->id, latest->status.text(), {}};
    }
    if (certificate->status.is(CertificateStatus::RenewalInProgress) && !force) {
      throw conflict("certificate renewal already in progress", "wrong_state");
    }
    require_issuable(tx, *certificate);
    Renewal renewal = start(tx, context, *certificate, "api", force);
    store::certificates::change_status(tx, id, {"Pending", "Active", "Expiring", "Failed"}, CertificateStatus::RenewalInProgress);
    json::Writer details;
    details.begin_object().field("common_name", certificate->common_name).field("job_id", renewal.job_id).field("force", force).end_object();
    ground_.audit.record(tx, context, {"renewal_triggered", "certificate", id, json::Raw{details.take()}});
    return renewal;
  });
}

Certificates::Renewal Certificates::reissue(const Context& context, const std::string& id) {
  return mutate(ground_, context, [&](db::Transaction& tx) {
    const auto certificate = store::certificates::find_for_update(tx, id);
    if (!certificate) throw not_found("Certificate not found");
    if (certificate->status.is(CertificateStatus::Archived)) throw invalid("cannot reissue archived certificate");
    if (certificate->status.is(CertificateStatus::RenewalInProgress)) throw conflict("certificate renewal already in progress", "wrong_state");
    require_issuable(tx, *certificate);
    Renewal renewal = start(tx, context, *certificate, "reissue", false);
    json::Writer details;
    details.begin_object().field("common_name", certificate->common_name).field("job_id", renewal.job_id).end_object();
    ground_.audit.record(tx, context, {"reissue_triggered", "certificate", id, json::Raw{details.take()}});
    return renewal;
  });
}

std::vector<std::string> Certificates::deploy(const Context& context, const std::string& id, const std::string& target_id) {
  return mutate(ground_, context, [&](db::Transaction& tx) {
    const auto certificate = store::certificates::find_for_update(tx, id);
    if (!certificate) throw not_found("Certificate not found");
    if (certificate->status.is(CertificateStatus::Archived)) throw conflict("cannot deploy archived certificate", "wrong_state");
    if (!target_id.empty()) {
      const auto target = store::targets::find(tx, target_id);
      if (!target || target->retired_at) throw not_found("Target not found");
      store::certificates::add_target(tx, id, target_id);
    }
    if (certificate->current_version_id.empty()) {
      throw conflict("certificate has no issued version to deploy; issue it first", "wrong_state");
    }
    if (certificate->status.is(CertificateStatus::Revoked)) throw conflict("cannot deploy revoked certificate", "wrong_state");
    std::vector<std::string> ids;
    for (const auto& target : store::certificates::deployable_targets(tx, id, "", target_id)) {
      const auto version = store::versions::current(tx, id, target.agent_id);
      JobQueue::Deployment wanted{id, version ? version->id : certificate->current_version_id, context.actor.name, "", target.id, 75};
      for (const auto& job : queue_.deploy(tx, wanted)) ids.push_back(job.id);
    }
    if (ids.empty()) throw conflict("certificate has no live, enabled targets; name one with target_id", "wrong_state");
    json::Writer details;
    details.begin_object().field("common_name", certificate->common_name).field("job_ids", ids).end_object();
    ground_.audit.record(tx, context, {"deployment_triggered", "certificate", id, json::Raw{details.take()}});
    return ids;
  });
}

}  // namespace certctl::service
