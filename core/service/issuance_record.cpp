// What a CA answered becomes a version, or is refused and revoked.
#include <certctl/keys.h>
#include <fmt/format.h>

#include "core/base/crash_point.hpp"
#include "core/base/error.hpp"
#include "core/base/id.hpp"
#include "core/base/time.hpp"
#include "core/crypto/san.hpp"
#include "core/service/issuance_checks.hpp"
#include "core/service/issuance_parts.hpp"
#include "core/service/messages.hpp"
#include "core/service/renewal_window.hpp"
#include "core/store/certificates.hpp"
#include "core/store/effects.hpp"
#include "core/store/jobs.hpp"
#include "core/store/ledger.hpp"
#include "core/store/loops.hpp"
#include "core/store/versions.hpp"

namespace certctl::service {
namespace {

using domain::Intent;
using domain::IntentState;
using domain::Job;

/// The row holds what a connector wants back; plain text becomes a JSON string.
json::Raw issuer_ref_of(const plugin::Fields& answer) {
  const std::string text = answer.text(CERTCTL_KEY_ISSUER_REF);
  if (text.empty()) return {};
  try {
    return json::raw(text);
  } catch (const Error&) {
    json::Writer out;
    out.value(text);
    return json::Raw{out.take()};
  }
}

void revoke_later(db::Transaction& tx, const Clock& clock, const std::string& issuer_id, const std::string& serial, const std::string& leaf_pem,
                  const json::Raw& issuer_ref) {
  json::Writer payload;
  payload.begin_object().field("issuer_id", issuer_id).field("serial", serial).field("reason", "superseded").field("leaf", leaf_pem);
  payload.field("issuer_ref", issuer_ref).end_object();
  store::effects::add(tx, {new_id("eff", clock), "issuer_revoke", issuer_id + "/" + serial, json::Raw{payload.take()}, 0, 0, {}});
}

}  // namespace

void Issuance::finish(const Job& job, const Material& material, const Intent& intent, const std::vector<crypto::Certificate>& certificates,
                      const plugin::Fields& answer, const std::shared_ptr<const OwnSigning>& signing) {
  std::optional<crypto::Chain> chain;
  try {
    IssuedLimits limits{material.max_ttl(), json::flag_or(json::parse(material.config.text), "allow_longer", false)};
    chain = check_issued(certificates, *material.csr, material.certificate, limits, ground_.clock.now());
    if (signing && chain->leaf.serial() != signing->serial) throw invalid("it does not have the serial number that was allocated");
  } catch (const Error& e) {
    return reject(job, material, intent, certificates, e.what());
  }
  record(job, material, intent, *chain, answer, signing);
}

void Issuance::record(const Job& job, const Material& material, const Intent& intent, const crypto::Chain& chain, const plugin::Fields& answer,
                      const std::shared_ptr<const OwnSigning>& signing) {
  const auto& leaf = chain.leaf;
  domain::CertificateVersion version;
  version.id = new_id("certver", ground_.clock);
  version.certificate_id = material.certificate.id;
  version.serial_number = leaf.serial();
  version.not_before = leaf.not_before();
  version.not_after = leaf.not_after();
  version.fingerprint_sha256 = leaf.fingerprint_sha256();
  version.pem_chain = leaf.pem() + "\n" + chain.issuers_pem();
  version.csr_pem = intent.csr_pem;
  version.key_algorithm = leaf.public_key().algorithm();
  version.key_size = leaf.public_key().bits();
  version.issuer_id = material.issuer.id;
  version.agent_id = job.agent_id;
  version.sans = crypto::san_texts(leaf.sans());
  version.source = material.certificate.source;
  version.created_at = ground_.clock.now();
  version.intent_id.value = intent.id;
  version.job_id.value = job.id;
  if (signing) version.ca_id.value = signing->ca->id;
  version.issuer_ref.value = issuer_ref_of(answer);
  version.spki_sha256.value = intent.spki_sha256;
  const auto window = renewal_window(material.policy, version.not_before, version.not_after, material.certificate.id, version.id, settings_.jitter_percent);
  std::optional<Bytes> server_key;
  if (intent.key_sealed) {
    sealer_.open({"issuance_intents", intent.id, "key_sealed"}, *intent.key_sealed).use([&](std::string_view pem) {
      server_key = sealer_.seal({"certificate_versions", version.id, "server_key_sealed"}, pem);
    });
  }
  crash_point("7");

  const bool recorded = ground_.database.transaction([&](db::Transaction& tx) {
    if (!store::ledger::record(tx, intent.id, version.id)) return false;  // done before
    if (!store::jobs::complete(tx, job, version.id)) return false;        // the lease is lost: another worker finishes
    store::versions::insert(tx, version);
    if (server_key) store::versions::set_server_key(tx, version.id, *server_key);
    store::versions::supersede(tx, version.certificate_id, version.agent_id, version.id);
    if (signing) {
      store::ledger::issued(tx, signing->ca->id, signing->serial, version.fingerprint_sha256, version.id, version.not_before, version.not_after);
    }
    const bool last = job.parent_job_id.empty() || store::jobs::open_children(tx, job.parent_job_id) == 0;
    if (last && !job.parent_job_id.empty()) store::jobs::end_parent(tx, job.parent_job_id, domain::JobStatus::Completed, "");
    const bool reissued = *job.trigger == "reissue";
    store::certificates::Renewed renewed{version.certificate_id, version.id, version.not_after, ground_.clock.now(), window.renew_after, window.source};
    const bool active = store::certificates::activate(tx, renewed, reissued, last);

    json::Writer details;
    details.begin_object().field("job_id", job.id).field("serial", version.serial_number).field("not_after", format_time(version.not_after));
    details.field("keygen_mode", server_key ? "server" : "agent").end_object();
    ground_.audit.record(tx, system_context(), {"renewal_job_completed", "certificate", version.certificate_id, json::Raw{details.take()}});
    if (!active) {  // revoked or archived meanwhile: on record, not deployed, revoked
      revoke_later(tx, ground_.clock, material.issuer.id, version.serial_number, leaf.pem(), *version.issuer_ref);
      ground_.audit.record(tx, system_context(), {"issued_after_revocation", "certificate", version.certificate_id});
      return true;
    }
    // The scan sleeps until the next certificate is due: this one may be the next.
    store::loops::run_by(tx, "renewal_scan", window.renew_after);
    queue_.deploy(tx, {version.certificate_id, version.id, "system", version.agent_id, "", 50});
    notifications_.renewal_success(tx, material.certificate, version);
    return true;
  });
  crash_point("8");
  if (recorded) {
    log::write(messages::kIssuanceRecorded, {{"certificate_id", version.certificate_id}, {"version_id", version.id}, {"job_id", job.id},
                                             {"serial", version.serial_number}, {"not_after", format_time(version.not_after)}});
  }
}

void Issuance::reject(const Job& job, const Material& material, const Intent& intent, const std::vector<crypto::Certificate>& certificates,
                      const std::string& reason) {
  const std::string error = "issued certificate does not match request: " + reason;
  const auto& first = certificates.front();
  ground_.database.transaction([&](db::Transaction& tx) {
    store::ledger::end(tx, intent.id, IntentState::rejected, "rejected", error);
    store::ledger::fail_pending(tx, intent.id);
    revoke_later(tx, ground_.clock, material.issuer.id, first.serial(), first.pem(), {});
  });
  write_failure(job, material, "", IntentState::rejected, "rejected", error, false, Duration(0));
}

}  // namespace certctl::service
