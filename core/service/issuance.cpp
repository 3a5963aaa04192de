// Asking the CA: submit, poll, look up, and what each answer means.
#include "core/service/issuance.hpp"

#include <certctl/keys.h>
#include <fmt/format.h>

#include "core/base/crash_point.hpp"
#include "core/base/error.hpp"
#include "core/crypto/san.hpp"
#include "core/service/issuance_checks.hpp"
#include "core/service/issuance_parts.hpp"
#include "core/service/job_failure.hpp"
#include "core/service/messages.hpp"
#include "core/service/profile_rules.hpp"
#include "core/store/certificates.hpp"
#include "core/store/jobs.hpp"
#include "core/store/ledger.hpp"
#include "core/store/versions.hpp"

namespace certctl::service {
namespace {

using namespace std::chrono_literals;
using domain::Intent;
using domain::IntentState;
using domain::Job;
using domain::JobPhase;
using plugin::Outcome;
using plugin::Status;

/// First look at once, then 5 s · 3^n up to 5 min (lifecycle §7.5).
Duration poll_delay(std::int32_t polls) {
  Duration delay = 5s;
  for (std::int32_t i = 0; i < polls && delay < Duration(5min); ++i) delay *= 3;
  return std::min<Duration>(delay, 5min);
}

/// 1 min doubling to 1 h while the CA cannot tell.
Duration look_up_delay(std::int32_t asked) {
  Duration delay = 1min;
  for (std::int32_t i = 0; i < asked && delay < Duration(1h); ++i) delay *= 2;
  return std::min<Duration>(delay, 1h);
}

void add_names(plugin::Fields& in, const crypto::CertificateRequest& csr) {
  in.add_if(CERTCTL_KEY_COMMON_NAME, csr.common_name());
  for (const auto& san : csr.sans()) {
    switch (san.kind) {
      case crypto::SanKind::dns: in.add(CERTCTL_KEY_SAN_DNS, san.value); break;
      case crypto::SanKind::ip: in.add(CERTCTL_KEY_SAN_IP, san.value); break;
      case crypto::SanKind::email: in.add(CERTCTL_KEY_SAN_EMAIL, san.value); break;
      case crypto::SanKind::uri: in.add(CERTCTL_KEY_SAN_URI, san.value); break;
      case crypto::SanKind::other: break;
    }
  }
}

std::int64_t milliseconds(Time time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

/// The beginnings that scripts look for in `last_error` (lifecycle §4.6).
std::string failure_text(KeyGeneration keys, const std::string& text) {
  return shorten((keys == KeyGeneration::server ? "issuer renewal failed: " : "issuer signing failed: ") + text, 4096);
}

std::chrono::milliseconds at_most(Duration limit) { return std::chrono::duration_cast<std::chrono::milliseconds>(limit); }

}  // namespace

Issuance::Issuance(Ground ground, IssuerRegistry& issuers, OwnCas& cas, const crypto::Sealer& sealer, const JobQueue& queue,
                   Notifications& notifications, IssuanceSettings settings)
    : ground_(ground), issuers_(issuers), cas_(cas), sealer_(sealer), queue_(queue), notifications_(notifications), settings_(std::move(settings)) {}

void Issuance::run(const Job& job, std::shared_ptr<const OwnSigning> signing) noexcept {
  try {
    step(job, std::move(signing));
  } catch (const std::exception& e) {
    // The lease runs out and the next worker goes on from what is durable.
    log::write(messages::kWorkerError, {{"job_id", job.id}, {"error", e.what()}});
  }
}

void Issuance::step(const Job& job, std::shared_ptr<const OwnSigning> signing) {
  Material material;
  try {
    material = load(job);
  } catch (const Error& e) {
    const auto certificate = store::certificates::find(ground_.database, job.certificate_id);
    if (certificate) material.certificate = *certificate;
    const bool again = e.kind() == ErrorKind::unavailable;
    write_failure(job, material, "", IntentState::prepared, std::string(to_text(e.kind())), failure_text(settings_.keys, e.what()), again, 0s);
    return;
  }
  auto intent = store::ledger::open_of_job(ground_.database, job.id);
  if (!intent && settings_.keys == KeyGeneration::server) {
    prepare_with_server_key(job, material);
    intent = store::ledger::open_of_job(ground_.database, job.id);
  }
  if (!intent) {
    write_failure(job, material, "", IntentState::failed, "internal", "no CSR is on record for this job; renew the certificate", false, 0s);
    return;
  }
  material.csr = crypto::CertificateRequest::from_pem(intent->csr_pem);
  if (!signing && job.attempts > 1) log::write(messages::kIntentResumed, {{"job_id", job.id}, {"intent_id", intent->id}, {"state", intent->state.text()}});
  switch (intent->state.known().value_or(IntentState::prepared)) {
    case IntentState::submitting:
      if (intent->checkpoint_sealed) return look_up(job, material, *intent);
      return submit(job, material, *intent, std::move(signing));
    case IntentState::ordered: return poll(job, material, *intent);
    case IntentState::unknown_outcome: return look_up(job, material, *intent);
    case IntentState::issued: {
      const auto certificates = crypto::parse_pem_certificates(intent->result_pem);
      return finish(job, material, *intent, certificates, {}, nullptr);
    }
    default: return submit(job, material, *intent, nullptr);
  }
}

plugin::Call Issuance::make_call(const Job& job, const Material& material, const Intent& intent, const std::shared_ptr<const OwnSigning>& signing) {
  plugin::Call call;
  call.request_id = job.id;
  call.timeout = at_most(settings_.call_timeout);
  call.cancellation = cancellation_;
  auto& in = call.in;
  in.add(CERTCTL_KEY_IDEMPOTENCY_KEY, intent.idempotency_key);
  in.add(CERTCTL_KEY_CSR_PEM, intent.csr_pem);
  in.add_bytes(CERTCTL_KEY_CSR_DER, material.csr->der());
  add_names(in, *material.csr);
  const auto& manifest = material.instance->connector().manifest();
  const auto honours = [&](std::uint32_t key) { return manifest.honours_key("issue", key); };
  if (material.profile) {
    for (const auto& oid : ekus_of(*material.profile)) in.add(CERTCTL_KEY_EKU, oid);
    call.options = material.profile->issuer_options;
    // The cap is checked on the leaf in any case; issuers that honour it are told.
    if (material.max_ttl() > 0 && honours(CERTCTL_KEY_MAX_TTL_S)) in.add_int(CERTCTL_KEY_MAX_TTL_S, material.max_ttl());
    if (material.profile->must_staple) in.add_int(CERTCTL_KEY_MUST_STAPLE, 1);
  }
  if (signing) {
    const auto config = json::parse(material.config.text);
    in.add(CERTCTL_KEY_SERIAL, signing->serial);
    in.add_int(CERTCTL_KEY_NOT_BEFORE, milliseconds(signing->not_before));
    in.add(CERTCTL_KEY_CA_REF, signing->ca->id);
    in.add_texts(CERTCTL_KEY_CRL_URL, json::texts(config, "crl_distribution_point_urls"));
    in.add_texts(CERTCTL_KEY_OCSP_URL, json::texts(config, "ocsp_urls"));
    in.add_texts(CERTCTL_KEY_AIA_URL, json::texts(config, "ca_issuers_urls"));
  }
  if (intent.checkpoint_sealed) {
    sealer_.open({"issuance_intents", intent.id, "checkpoint_sealed"}, *intent.checkpoint_sealed).use([&](std::string_view bytes) {
      in.add_bytes(CERTCTL_KEY_CHECKPOINT, as_bytes(bytes));
    });
  }
  call.checkpoint = [this, id = intent.id](std::span<const std::uint8_t> bytes) {
    const Bytes sealed = sealer_.seal({"issuance_intents", id, "checkpoint_sealed"}, as_text(bytes));
    const bool ours = store::ledger::checkpoint(ground_.database, id, sealed);
    crash_point("4c");
    return ours;
  };
  return call;
}

void Issuance::submit(const Job& job, Material& material, Intent& intent, std::shared_ptr<const OwnSigning> signing) {
  if (!signing) {  // not the first time, or not yet begun
    try {
      signing = allocate(material);
    } catch (const Error& e) {
      const bool again = e.kind() == ErrorKind::unavailable;
      write_failure(job, material, intent.id, again ? IntentState::prepared : IntentState::failed, "invalid_config", failure_text(settings_.keys, e.what()), again, 5min);
      return;
    }
    const bool ours = ground_.database.transaction([&](db::Transaction& tx) {
      if (!store::ledger::submit(tx, intent.id)) return false;
      if (signing) {
        store::ledger::fail_pending(tx, intent.id);  // bytes signed before were never released
        insert_pending(tx, material, intent, *signing);
      }
      return true;
    });
    if (!ours) return;
  }
  crash_point("4");
  std::string operation = "issue";
  plugin::Call call = make_call(job, material, intent, signing);
  if (job.type.is(domain::JobType::Renewal) && material.instance->supports("renew")) {
    if (const auto previous = store::versions::current(ground_.database, material.certificate.id, job.agent_id)) {
      operation = "renew";
      call.in.add(CERTCTL_KEY_PREVIOUS_LEAF, previous->pem_chain.substr(0, previous->pem_chain.find("-----END CERTIFICATE-----") + 26));
      call.in.add(CERTCTL_KEY_PREVIOUS_SERIAL, previous->serial_number);
      if (previous->issuer_ref->text != "{}") call.in.add(CERTCTL_KEY_ISSUER_REF, previous->issuer_ref->text);
    }
  }
  settle(job, material, intent, material.instance->call(operation, std::move(call)), signing);
}

void Issuance::poll(const Job& job, Material& material, Intent& intent) {
  if (intent.created_at + settings_.order_max_age < ground_.clock.now()) {
    const std::string age = fmt::format("order {} still pending after {}", intent.order_id, format_duration(settings_.order_max_age));
    return write_failure(job, material, intent.id, IntentState::failed, "timeout", failure_text(settings_.keys, age), false, 0s);
  }
  settle(job, material, intent, material.instance->call("poll", make_call(job, material, intent, nullptr)), nullptr);
}

void Issuance::look_up(const Job& job, Material& material, Intent& intent) {
  const Outcome outcome = material.instance->call("lookup", make_call(job, material, intent, nullptr));
  switch (outcome.status) {
    case Status::ok:
    case Status::pending: return settle(job, material, intent, outcome, nullptr);
    case Status::not_found:
      store::ledger::prepare_again(ground_.database, intent.id);
      intent.state = IntentState::prepared;
      intent.checkpoint_sealed.reset();
      return submit(job, material, intent, nullptr);
    case Status::not_supported: {
      // Nobody can tell: a person decides. Asked again each hour, in case a newer connector can.
      ground_.database.transaction([&](db::Transaction& tx) {
        store::ledger::unknown(tx, intent.id, ground_.clock.now() + 1h, outcome.text);
        if (!store::jobs::park(tx, job, ground_.clock.now() + 1h, JobPhase::needs_decision)) return;
        if (job.phase != domain::name_of(JobPhase::needs_decision)) {
          notifications_.needs_decision(tx, material.certificate, job, "the CA was asked for a certificate and the answer was lost");
        }
      });
      return;
    }
    default: {
      const Time again = ground_.clock.now() + look_up_delay(intent.polls);
      ground_.database.transaction([&](db::Transaction& tx) {
        store::ledger::unknown(tx, intent.id, again, outcome.text);
        store::jobs::park(tx, job, again, JobPhase::awaiting_ca);
      });
      return;
    }
  }
}

void Issuance::settle(const Job& job, Material& material, Intent& intent, Outcome outcome, const std::shared_ptr<const OwnSigning>& signing) {
  if (outcome.status == Status::pending) {
    const auto in = outcome.poll_in();
    const Time poll_at = ground_.clock.now() + (in ? Duration(*in) : poll_delay(intent.polls));
    std::optional<Time> expires_at;
    if (const auto expires = outcome.expires_in()) expires_at = ground_.clock.now() + *expires;
    ground_.database.transaction([&](db::Transaction& tx) {
      store::ledger::order(tx, intent.id, outcome.out.text(CERTCTL_KEY_ORDER_ID), poll_at, expires_at);
      store::jobs::park(tx, job, poll_at, JobPhase::awaiting_ca);
    });
    crash_point("5b");
    return;
  }
  if (outcome.status != Status::ok) return fail(job, material, intent, outcome);
  std::vector<crypto::Certificate> certificates;
  try {
    certificates = certificates_of(outcome.out);
  } catch (const Error& e) {
    outcome.status = outcome.checkpoint ? Status::unknown_outcome : Status::transient;
    outcome.text = e.what();
    return fail(job, material, intent, outcome);
  }
  if (!signing) {
    // A foreign CA has issued: the certificate is on record before anything is checked, with or without the lease.
    std::string pem;
    for (const auto& certificate : certificates) pem += certificate.pem();
    store::ledger::store_result(ground_.database, intent.id, pem, certificates.front().serial());
    crash_point("6");
  }
  if (outcome.unread_critical) {
    std::string unread;
    for (const auto& name : outcome.unread) unread += (unread.empty() ? "" : ", ") + name;
    return reject(job, material, intent, certificates, "the connector did not honour " + unread);
  }
  finish(job, material, intent, certificates, outcome.out, signing);
}

void Issuance::fail(const Job& job, const Material& material, const Intent& intent, const Outcome& outcome) {
  const std::string error = failure_text(settings_.keys, outcome.text);
  const std::string kind(plugin::to_text(outcome.status));
  const bool after_checkpoint = outcome.checkpoint.has_value() || intent.checkpoint_sealed.has_value();
  switch (outcome.status) {
    case Status::rate_limited: {
      const auto wait = outcome.retry_in();
      ground_.database.transaction([&](db::Transaction& tx) {
        store::ledger::prepare_again(tx, intent.id);
        store::jobs::put_back(tx, job, ground_.clock.now() + (wait ? Duration(*wait) : Duration(1min)), {"issuer_rate_limited"});
      });
      return;
    }
    case Status::cancelled:
      ground_.database.transaction([&](db::Transaction& tx) {
        if (!after_checkpoint) store::ledger::prepare_again(tx, intent.id);
        store::jobs::put_back(tx, job, ground_.clock.now(), {});
      });
      return;
    case Status::auth:
      return write_failure(job, material, intent.id, IntentState::prepared, kind, error, true, 5min);
    case Status::transient:
      return write_failure(job, material, intent.id, IntentState::prepared, kind, error, true, 0s);
    case Status::internal:
    case Status::unknown_outcome:
      if (after_checkpoint) {
        log::write(messages::kIssuanceUnknown, {{"job_id", job.id}, {"intent_id", intent.id}, {"error", outcome.text}});
        ground_.database.transaction([&](db::Transaction& tx) {
          store::ledger::unknown(tx, intent.id, ground_.clock.now(), outcome.text);
          store::jobs::park(tx, job, ground_.clock.now(), JobPhase::awaiting_ca);
        });
        return;
      }
      return write_failure(job, material, intent.id, IntentState::prepared, kind, error, true, 0s);
    default:
      return write_failure(job, material, intent.id, IntentState::failed, kind, error, false, 0s);
  }
}

void Issuance::write_failure(const Job& job, const Material& material, const std::string& intent_id, IntentState intent_state,
                             const std::string& kind, const std::string& error, bool retryable, Duration least_pause) {
  const auto end = plan_next_attempt(job, material.policy.retry_interval_seconds, retryable, least_pause, ground_.clock.now());
  ground_.database.transaction([&](db::Transaction& tx) {
    if (!intent_id.empty()) {
      if (intent_state == IntentState::prepared && !end.exhausted()) store::ledger::prepare_again(tx, intent_id);
      else store::ledger::end(tx, intent_id, IntentState::failed, kind, error);
      store::ledger::fail_pending(tx, intent_id);
    }
    if (!store::jobs::fail(tx, job, {error, end.retryable, end.next_attempt_at})) return;  // somebody else has the job
    json::Writer details;
    details.begin_object().field("job_id", job.id).field("error", error).end_object();
    ground_.audit.record(tx, system_context(), {"renewal_job_failed", "certificate", job.certificate_id, json::Raw{details.take()}});
    if (end.exhausted() && !material.certificate.id.empty()) give_up_issuance(tx, ground_, notifications_, job, material.certificate, error);
  });
  log::write(messages::kIssuanceFailed, {{"job_id", job.id}, {"certificate_id", job.certificate_id}, {"kind", kind}, {"error", error}});
}

}  // namespace certctl::service
