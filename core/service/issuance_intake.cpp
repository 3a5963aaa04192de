// The way in: CSRs of agents, and keys made here in server mode.
#include <fmt/format.h>

#include "core/base/crash_point.hpp"
#include "core/base/error.hpp"
#include "core/base/id.hpp"
#include "core/service/issuance_checks.hpp"
#include "core/service/issuance_parts.hpp"
#include "core/service/job_failure.hpp"
#include "core/service/profile_rules.hpp"
#include "core/store/certificates.hpp"
#include "core/store/issuers.hpp"
#include "core/store/jobs.hpp"
#include "core/store/ledger.hpp"
#include "core/store/profiles.hpp"
#include "core/store/renewal_policies.hpp"
#include "core/store/versions.hpp"

namespace certctl::service {
namespace {

using domain::Intent;
using domain::IntentState;
using domain::Job;
using domain::JobStatus;

Bytes spki_bytes(const crypto::CertificateRequest& csr) { return from_hex(csr.public_key().spki_sha256()).value(); }

Intent new_intent(const Clock& clock, const Job& job, const domain::Certificate& certificate, const crypto::CertificateRequest& csr) {
  Intent intent;
  intent.id = new_id("int", clock);
  intent.job_id = job.id;
  intent.certificate_id = certificate.id;
  intent.issuer_id = certificate.issuer_id;
  intent.state = IntentState::submitting;
  intent.idempotency_key = new_uuid();
  intent.csr_pem = csr.pem();
  intent.spki_sha256 = spki_bytes(csr);
  intent.submit_count = 1;
  intent.created_at = clock.now();
  return intent;
}

}  // namespace

Issuance::Material Issuance::load(const Job& job) {
  Material material;
  auto certificate = store::certificates::find(ground_.database, job.certificate_id);
  if (!certificate) throw not_found(fmt::format("certificate fetch failed: {} is not there", job.certificate_id));
  material.certificate = *std::move(certificate);
  if (material.certificate.issuer_id.empty()) throw invalid("certificate has no issuer assigned");
  auto issuer = store::issuers::find(ground_.database, material.certificate.issuer_id);
  if (!issuer) throw invalid(fmt::format("issuer connector not found for {}", material.certificate.issuer_id));
  material.issuer = *std::move(issuer);
  material.instance = issuers_.instance(material.issuer.id);
  material.config = issuers_.full_config(material.issuer);
  // A profile that cannot be read blocks: its rules must not be skipped.
  if (!material.certificate.certificate_profile_id.empty()) {
    material.profile = store::profiles::find(ground_.database, material.certificate.certificate_profile_id);
    if (!material.profile) throw unavailable(fmt::format("profile {} cannot be read", material.certificate.certificate_profile_id));
    if (!material.profile->enabled) throw conflict(fmt::format("profile \"{}\" is disabled", material.profile->name), "profile_disabled");
    if (material.profile->requires_approval) throw conflict(fmt::format("profile \"{}\" requires approval", material.profile->name), "awaiting_approval");
  }
  if (auto policy = store::renewal_policies::find(ground_.database, material.certificate.renewal_policy_id)) material.policy = *std::move(policy);
  return material;
}

std::shared_ptr<const Issuance::OwnSigning> Issuance::allocate(const Material& material) {
  if (!material.signs_here()) return nullptr;
  const auto config = json::parse(material.config.text);
  OwnSigning signing;
  signing.ca = cas_.active(material.issuer.id, material.config);
  signing.serial = OwnCas::new_serial();
  signing.not_before = std::chrono::floor<std::chrono::seconds>(ground_.clock.now()) -
                       std::chrono::seconds(json::integer_or(config, "not_before_backdate_seconds", 60));
  return std::make_shared<OwnSigning>(std::move(signing));
}

void Issuance::insert_pending(db::Transaction& tx, const Material& material, const Intent& intent, const OwnSigning& signing) {
  store::ledger::Issued row;
  row.ca_id = signing.ca->id;
  row.issuer_id = material.issuer.id;
  row.intent_id = intent.id;
  row.serial = signing.serial;
  row.subject = "CN=" + material.certificate.common_name;
  row.spki_sha256 = intent.spki_sha256.value();
  row.certificate_id = material.certificate.id;
  row.profile_id = material.certificate.certificate_profile_id;
  row.source = material.certificate.source;
  row.short_lived = material.short_lived();
  row.not_before = row.not_after = signing.not_before;  // the true end follows with the signature
  store::ledger::insert_pending(tx, row);
}

void Issuance::refuse_csr(const Context& context, const Job& job, const domain::Agent& agent, const std::string& reason) {
  mutate(ground_, context, [&](db::Transaction& tx) {
    const std::string error = "CSR validation failed: " + reason;
    if (!store::jobs::fail_open(tx, job.id, {error, false, std::nullopt})) return;
    json::Writer details;
    details.begin_object().field("agent_hostname", agent.hostname).field("job_id", job.id).field("error", error).end_object();
    ground_.audit.record(tx, context, {"csr_refused", "certificate", job.certificate_id, json::Raw{details.take()}});
    if (const auto certificate = store::certificates::find(tx, job.certificate_id)) {
      give_up_issuance(tx, ground_, notifications_, job, *certificate, error);
    }
  });
}

Issuance::Accepted Issuance::accept_csr(const Context& context, const domain::Agent& agent, const CsrRequest& request) {
  const auto certificate = store::certificates::find(ground_.database, request.certificate_id);
  if (!certificate) throw not_found("Certificate not found");

  std::optional<Job> waiting, running;
  for (const auto& job : store::jobs::open_issuances(ground_.database, certificate->id)) {
    if (!request.job_id.empty() && job.id != request.job_id) continue;
    const bool mine = job.agent_id == agent.id || (job.agent_id.empty() && *job.executor == "agent");
    if (mine && job.status.is(JobStatus::AwaitingCSR)) waiting = job;
    if (mine && job.status.is_one_of(JobStatus::Running, JobStatus::Pending)) running = job;
  }

  const auto parsed = [&]() -> std::optional<crypto::CertificateRequest> {
    try {
      return crypto::CertificateRequest::from_pem(request.csr_pem);
    } catch (const Error& e) {
      if (waiting) refuse_csr(context, *waiting, agent, e.what());
      throw Error(ErrorKind::invalid, fmt::format("CSR validation failed: {}", e.what()));
    }
  }();
  const Bytes spki = spki_bytes(*parsed);

  if (!waiting) {
    // A repeated CSR of a job that has it already is answered as the first one was.
    if (running) {
      const auto intent = store::ledger::open_of_job(ground_.database, running->id);
      if (intent && intent->spki_sha256 == spki) return {};
      throw conflict("the job has the CSR of another key already", "wrong_state");
    }
    const auto version = store::versions::by_key(ground_.database, certificate->id, spki);
    if (version) return {std::nullopt, nullptr, true};
    throw conflict("no CSR was requested for this certificate", "wrong_state");
  }

  Material material;
  std::shared_ptr<const OwnSigning> signing;
  try {
    material = load(*waiting);
    check_csr(*parsed, material.certificate, material.profile);
    if (store::ledger::is_key_blocked(ground_.database, spki)) throw invalid("key was revoked for keyCompromise");
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::invalid) throw;
    refuse_csr(context, *waiting, agent, e.what());
    throw Error(ErrorKind::invalid, fmt::format("CSR validation failed: {}", e.what()));
  }
  try {
    signing = allocate(material);
  } catch (const Error& e) {
    // The CSR is good, the CA is not ready: the intent waits, and run() says why it failed.
    if (e.kind() == ErrorKind::internal) throw;
  }

  const auto job = mutate(ground_, context, [&](db::Transaction& tx) {
    auto taken = store::jobs::take_csr_job(tx, waiting->id, material.issuer.id, settings_.instance_id, settings_.job_lease);
    if (!taken) throw conflict("no CSR was requested for this certificate", "wrong_state");
    Intent intent = new_intent(ground_.clock, *taken, material.certificate, *parsed);
    intent.plugin = material.instance->connector().manifest().id + "/" + material.instance->connector().manifest().version;
    if (!signing) {
      intent.state = IntentState::prepared;
      intent.submit_count = 0;
    }
    store::ledger::insert(tx, intent);
    if (signing) insert_pending(tx, material, intent, *signing);
    json::Writer details;
    details.begin_object().field("agent_hostname", agent.hostname).field("keygen_mode", "agent").field("job_id", taken->id).end_object();
    ground_.audit.record(tx, context, {"csr_submitted", "certificate", certificate->id, json::Raw{details.take()}});
    return *taken;
  });
  crash_point("3");
  return {job, signing, false};
}

bool Issuance::is_recorded(const std::string& certificate_id, const std::string& csr_pem) {
  return store::versions::by_key(ground_.database, certificate_id, spki_bytes(crypto::CertificateRequest::from_pem(csr_pem))).has_value();
}

void Issuance::prepare_with_server_key(const Job& job, Material& material) {
  const auto algorithm = material.profile ? key_algorithm_of(*material.profile) : std::string(kDefaultKeyAlgorithm);
  const auto key = crypto::PrivateKey::generate(algorithm);
  crypto::RequestOptions options{material.certificate.common_name, material.certificate.sans, material.profile && material.profile->must_staple};
  const auto csr = crypto::build_request(key, options);
  check_csr(csr, material.certificate, material.profile);
  Intent intent = new_intent(ground_.clock, job, material.certificate, csr);
  intent.state = IntentState::prepared;
  intent.submit_count = 0;
  intent.plugin = material.instance->connector().manifest().id + "/" + material.instance->connector().manifest().version;
  intent.key_sealed = key.to_pem().use([&](std::string_view pem) {
    return sealer_.seal({"issuance_intents", intent.id, "key_sealed"}, pem);
  });
  ground_.database.transaction([&](db::Transaction& tx) { store::ledger::insert(tx, intent); });
}

}  // namespace certctl::service
