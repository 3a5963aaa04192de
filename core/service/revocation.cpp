#include "core/service/revocation.hpp"

#include <certctl/keys.h>
#include <fmt/format.h>

#include <set>

#include "core/base/error.hpp"
#include "core/base/id.hpp"
#include "core/base/text.hpp"
#include "core/db/wake_ups.hpp"
#include "core/plugin/instance.hpp"
#include "core/store/certificates.hpp"
#include "core/store/jobs.hpp"
#include "core/store/ledger.hpp"
#include "core/store/revocations.hpp"
#include "core/store/versions.hpp"

namespace certctl::service {
namespace {

using domain::CertificateStatus;
using domain::CertificateVersion;
using domain::RevocationReason;

/// `KEY_COMPROMISE` and `key_compromise` → `keyCompromise`.
std::string camel_case(std::string_view text) {
  if (text.find('_') == std::string_view::npos) return std::string(text);
  std::string out;
  bool up = false;
  for (const char c : lower(text)) {
    if (c == '_') { up = true; continue; }
    out += char(up && c >= 'a' && c <= 'z' ? c - 32 : c);
    up = false;
  }
  if (out == "caCompromise" || out == "cacompromise") return "caCompromise";
  return out;
}

json::Raw notice(const CertificateVersion& version, RevocationReason reason) {
  json::Writer out;
  const auto end = version.pem_chain.find("-----END CERTIFICATE-----");
  out.begin_object().field("issuer_id", static_cast<const std::string&>(version.issuer_id)).field("serial", version.serial_number);
  out.field("reason", domain::name_of(reason)).field("leaf", version.pem_chain.substr(0, end == std::string::npos ? 0 : end + 26));
  out.field("issuer_ref", *version.issuer_ref).end_object();
  return json::Raw{out.take()};
}

}  // namespace

RevocationReason parse_reason(const std::string& text) {
  if (text.empty()) return RevocationReason::unspecified;
  const std::string word = camel_case(text);
  if (const auto known = domain::value_of<RevocationReason>(word)) return *known;
  if (const auto known = domain::value_of<RevocationReason>(lower(word))) return *known;
  throw invalid_field("reason", "unknown", fmt::format("invalid revocation reason: {}", printable(shorten(text, 64))));
}

int reason_code(RevocationReason reason) {
  switch (reason) {
    case RevocationReason::unspecified: return 0;
    case RevocationReason::keyCompromise: return 1;
    case RevocationReason::caCompromise: return 2;
    case RevocationReason::affiliationChanged: return 3;
    case RevocationReason::superseded: return 4;
    case RevocationReason::cessationOfOperation: return 5;
    case RevocationReason::certificateHold: return 6;
    case RevocationReason::privilegeWithdrawn: return 9;
  }
  return 0;
}

Revocation::Request Revocation::parse(const json::Value& body) {
  if (!body.IsObject() && !body.IsNull()) throw invalid("Invalid request body: a JSON object is expected");
  if (const auto* reason = json::find(body, "reason"); reason != nullptr && !reason->IsString() && !reason->IsNull()) {
    throw invalid_field("/reason", "type", "Invalid request body: reason must be a string");
  }
  return {json::text_or(body, "reason"), json::flag_or(body, "all_versions", false)};
}

void Revocation::revoke(const Context& context, const std::string& certificate_id, const Request& request) {
  const RevocationReason reason = parse_reason(request.reason);
  mutate(ground_, context, [&](db::Transaction& tx) {
    const auto certificate = store::certificates::find_for_update(tx, certificate_id);
    if (!certificate) throw not_found("Certificate not found");
    if (certificate->status.is(CertificateStatus::Archived)) throw invalid("cannot revoke archived certificate");
    if (certificate->status.is(CertificateStatus::Revoked)) throw invalid("certificate is already revoked");
    auto versions = store::versions::unexpired(tx, certificate_id);
    if (versions.empty()) {
      if (auto current = store::versions::current(tx, certificate_id)) versions.push_back(*std::move(current));
    }
    if (versions.empty()) throw not_found("Certificate not found");
    const bool every = request.all_versions || reason == RevocationReason::keyCompromise || reason == RevocationReason::caCompromise;
    if (!every) {  // the current version of each agent's key
      std::erase_if(versions, [&](const CertificateVersion& v) { return v.superseded_at && versions.size() > 1; });
    }
    const Time now = ground_.clock.now();
    if (reason == RevocationReason::keyCompromise) {
      // The key, wherever else it is certified, is as compromised.
      std::set<std::string> seen;
      for (const auto& version : versions) seen.insert(version.id);
      for (std::size_t i = 0, count = versions.size(); i < count; ++i) {
        if (!*versions[i].spki_sha256) continue;
        store::ledger::block_key(tx, **versions[i].spki_sha256, "keyCompromise", versions[i].serial_number, context.actor.name, now);
        for (auto& same : store::versions::unexpired_with_key(tx, **versions[i].spki_sha256)) {
          if (seen.insert(same.id).second) versions.push_back(std::move(same));
        }
      }
    }
    std::set<std::string> cas;
    std::string serial;
    for (const auto& version : versions) {
      if (serial.empty()) serial = version.serial_number;
      store::revocations::insert(tx, {new_id("rev", ground_.clock), version.certificate_id, version.id, version.issuer_id, *version.ca_id,
                                      version.serial_number, std::string(domain::name_of(reason)), context.actor.name, now});
      store::versions::mark_revoked(tx, version.id, now);
      if (!version.ca_id->empty()) cas.insert(*version.ca_id);
      if (!version.issuer_id.empty()) {
        store::effects::add(tx, {new_id("eff", ground_.clock), "issuer_revoke", version.issuer_id + "/" + version.serial_number, notice(version, reason), 0, 0, {}});
      }
    }
    for (const auto& ca : cas) store::revocations::bump_epoch(tx, ca);
    store::revocations::mark_certificate(tx, certificate_id, std::string(domain::name_of(reason)), now);
    store::jobs::cancel_of_certificate(tx, certificate_id, "certificate revoked", true, true, true);
    json::Writer details;
    details.begin_object().field("common_name", certificate->common_name).field("serial", serial).field("reason", domain::name_of(reason)).end_object();
    ground_.audit.record(tx, context, {"certificate_revoked", "certificate", certificate_id, json::Raw{details.take()}});
    notifications_.revocation(tx, *certificate, serial, domain::name_of(reason));
    db::wake(tx, "effects");
  });
}

RevocationNotice::Result RevocationNotice::deliver(const store::effects::Effect& effect) {
  const auto payload = json::parse(effect.payload.text);
  const std::string issuer_id = json::text_or(payload, "issuer_id"), serial = json::text_or(payload, "serial");
  try {
    const auto instance = issuers_.instance(issuer_id);
    if (!instance->supports("revoke")) return {false, true, "the connector cannot revoke"};
    plugin::Call call;
    call.timeout = std::chrono::seconds(60);
    call.in.add(CERTCTL_KEY_REVOKED_SERIAL, serial);
    call.in.add_if(CERTCTL_KEY_LEAF, json::text_or(payload, "leaf"));
    if (const auto* ref = json::find(payload, "issuer_ref"); ref != nullptr && !(ref->IsObject() && ref->ObjectEmpty())) {
      call.in.add(CERTCTL_KEY_ISSUER_REF, ref->IsString() ? std::string(json::text_of(*ref)) : json::dump(*ref));
    }
    call.in.add_int(CERTCTL_KEY_REASON, reason_code(parse_reason(json::text_or(payload, "reason"))));
    const auto outcome = instance->call("revoke", std::move(call));
    if (outcome.done() || outcome.status == plugin::Status::conflict) {  // conflict: revoked there already
      store::revocations::notified(ground_.database, issuer_id, serial);
      return {true, false, ""};
    }
    const bool final_failure = outcome.status == plugin::Status::permanent || outcome.status == plugin::Status::not_supported ||
                               outcome.status == plugin::Status::invalid_request;
    return {false, final_failure, outcome.text};
  } catch (const Error& e) {
    return {false, false, e.what()};
  }
}

void RevocationNotice::give_up(const store::effects::Effect& effect, const std::string& error) {
  const auto payload = json::parse(effect.payload.text);
  json::Writer details;
  details.begin_object().field("serial", json::text_or(payload, "serial")).field("error", error).end_object();
  ground_.database.transaction([&](db::Transaction& tx) {
    ground_.audit.record(tx, system_context(), {"revocation_not_delivered", "issuer", json::text_or(payload, "issuer_id"), json::Raw{details.take()}});
  });
}

}  // namespace certctl::service
