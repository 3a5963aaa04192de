#include "agent/deployment_jobs.hpp"

#include <certctl/keys.h>
#include <fmt/format.h>

#include <algorithm>

#include "agent/deploy_settings.hpp"
#include "agent/files.hpp"
#include "agent/messages.hpp"
#include "core/base/crash_point.hpp"
#include "core/base/error.hpp"
#include "core/base/id.hpp"
#include "core/base/text.hpp"
#include "core/base/time.hpp"
#include "core/http/uri.hpp"

namespace certctl::agent {
namespace {

constexpr auto kTolerableFuture = std::chrono::minutes(5);

/// `/cert_path is required; /reload_command …`
std::string faults(const std::vector<FieldError>& first, const std::vector<FieldError>& second = {}) {
  std::vector<std::string> texts;
  for (const auto* list : {&first, &second}) {
    for (const auto& fault : *list) texts.push_back(fmt::format("{}: {}", fault.field, fault.message));
  }
  return join(texts, "; ");
}

Error config_error(std::string_view type, std::string_view why) {
  return invalid(fmt::format("connector init failed: invalid {} config: {}", type, why));
}

/// `kind` tells the control plane whether another attempt can help.
DeploymentReport at_stage(std::string stage, plugin::Status kind, const std::string& message) {
  DeploymentReport out;
  out.stage = std::move(stage);
  if (kind != plugin::Status::ok) out.error_kind = plugin::to_text(kind);
  out.message = message;
  return out;
}

std::string leaf_validity_fault(const crypto::Certificate& leaf, Time now) {
  if (leaf.not_before() > now + kTolerableFuture) {
    return fmt::format("certificate {} is not valid before {}; this machine's clock says {}", leaf.serial(),
                       format_time(leaf.not_before()), format_time(now));
  }
  if (leaf.not_after() <= now)
    return fmt::format("certificate {} has expired at {}", leaf.serial(), format_time(leaf.not_after()));
  return {};
}

void append_if(std::vector<std::string>& list, std::string_view lines) {
  for (const auto line : split(lines, '\n')) {
    if (!trim(line).empty()) list.emplace_back(trim(line));
  }
}

/// One `meta` entry of a connector's result (targets.md §2.2).
void take_meta(DeploymentReport& out, const std::string& name, const std::string& value) {
  constexpr std::string_view kPhase = "phase_ms_";
  Verification& verification = out.verification;
  if (name == "idempotent")
    out.idempotent = value == "true";
  else if (name == "rolled_back")
    out.rolled_back = value == "true";
  else if (name == "manual_action_required")
    out.manual_action_required = value == "true";
  else if (name == "fingerprint_sha256")
    out.fingerprint_sha256 = value;
  else if (name == "previous_fingerprint_sha256")
    out.previous_fingerprint_sha256 = value;
  else if (name == "validate_mode")
    out.validate_mode = value;
  else if (name == "backup_paths")
    append_if(out.backup_paths, value);
  else if (name == "stage")
    out.stage = value;
  else if (name == "duration_ms")
    out.durations_ms["total"] = parse_integer(value).value_or(0);
  else if (name.starts_with(kPhase))
    out.durations_ms[name.substr(kPhase.size())] = parse_integer(value).value_or(0);
  else if (name == "verification_status")
    verification.status = value;
  else if (name == "verification_endpoint")
    verification.endpoint = value;
  else if (name == "verification_expected")
    verification.expected_fingerprint = value;
  else if (name == "verification_actual")
    verification.actual_fingerprint = value;
  else if (name == "verification_attempts")
    verification.attempts = parse_integer(value).value_or(0);
  else if (name == "verification_error")
    verification.error = value;
  else
    out.metadata[name] = value;
}

}  // namespace

DeploymentReport deployment_report(const plugin::Outcome& outcome, const std::string& fingerprint) {
  DeploymentReport out;
  out.fingerprint_sha256 = fingerprint;
  out.verification.expected_fingerprint = fingerprint;
  out.deployment_id = outcome.out.text(CERTCTL_KEY_DEPLOYMENT_ID);
  out.target_address = outcome.out.text(CERTCTL_KEY_TARGET_ADDRESS);
  out.message = outcome.out.text(CERTCTL_KEY_MESSAGE);
  out.stage = outcome.out.text(CERTCTL_KEY_STAGE);
  out.durations_ms["total"] = outcome.took.count();
  for (const auto& [name, value] : outcome.out.map(CERTCTL_KEY_META)) take_meta(out, name, value);
  if (!outcome.done()) out.error_kind = plugin::to_text(outcome.status);
  if (out.message.empty()) out.message = outcome.text;
  return out;
}

DeploymentJobs::DeploymentJobs(Session& session, KeyStore& keys, DeployedCertificates& deployed, Options options)
    : session_(session), keys_(keys), deployed_(deployed), options_(std::move(options)) {
  make_private_folder(options_.state_dir / "rollback");
}

Step DeploymentJobs::run(Job& job) {
  const WorkItem& item = job.item;
  if (!is_valid_id(item.certificate_id)) return session_.fail(job, "invalid certificate id");
  if (job.tries == 0) {
    const Answer answer = session_.control_plane().post(
        session_.path(fmt::format("/jobs/{}/status", http::percent_encode(item.id))), R"({"status":"Running"})");
    // Cancelled meanwhile. One that an earlier run had begun is brought to its end all the same.
    if (answer.verdict == Verdict::conflict && !job.resumed) {
      log::write(kJobDropped, {{"job_id", item.id}, {"error", answer.problem}});
      return {Step::End::dropped};
    }
  }
  if (item.target_type.empty()) {
    return session_.finish(job,
                           Report::completed(at_stage("", plugin::Status::ok, "no target type: nothing was deployed")));
  }
  const Fetched fetched = fetch(job);
  if (!fetched.material) return fetched.otherwise;
  std::shared_ptr<plugin::Instance> connector;
  try {
    connector = instance(item);
  } catch (const Error& e) {
    return session_.fail(job, e.what(), at_stage("validate_config", plugin::Status::invalid_config, e.what()));
  }
  return deploy(job, *fetched.material, *connector);
}

DeploymentJobs::Fetched DeploymentJobs::fetch(Job& job) {
  const Answer answer =
      session_.control_plane().get(session_.path("/certificates/" + http::percent_encode(job.item.certificate_id)));
  if (answer.is_passing() || answer.verdict == Verdict::retired) {
    return {{}, session_.later(job, answer, fmt::format("cert fetch failed: {}", answer.problem))};
  }
  if (!answer.ok()) return {{}, session_.fail(job, fmt::format("cert fetch failed: {}", answer.problem))};
  Fetched out = pair(job, answer);
  if (out.material) crash_point("certificate_fetched");
  return out;
}

/// The first block is the leaf, and its key must be here.
DeploymentJobs::Fetched DeploymentJobs::pair(const Job& job, const Answer& answer) {
  const std::string& certificate_id = job.item.certificate_id;
  const auto refuse = [&](plugin::Status kind, const std::string& why) {
    const std::string text = "deployment failed: " + why;
    return Fetched{{}, session_.fail(job, text, at_stage("material", kind, text))};
  };
  try {
    const auto certificates = crypto::parse_pem_certificates(json::text_or(answer.body, "certificate_pem"));
    const crypto::Certificate& leaf = certificates.front();
    const std::string spki = leaf.spki_sha256();
    if (const Secret made_there(json::text_or(answer.body, "private_key_pem")); !made_there.empty()) {
      auto key = made_there.use([](std::string_view pem) { return crypto::PrivateKey::from_pem(pem); });
      if (key.matches(leaf.public_key())) keys_.add(certificate_id, key);
    }
    auto key = keys_.find(certificate_id, spki);
    if (!key) {
      return {
          {},
          session_.fail(job, fmt::format("key read failed: no private key on this agent for certificate {} (SPKI {})",
                                         certificate_id, spki))};
    }
    if (const std::string fault = leaf_validity_fault(leaf, session_.clock().now()); !fault.empty())
      return refuse(plugin::Status::transient, fault);
    keys_.promote(certificate_id, spki);
    return {Material{crypto::sort_chain(spki, certificates), std::move(*key)}, {}};
  } catch (const FileError& e) {
    return {{}, session_.fail(job, fmt::format("key read failed: {}", e.what()))};
  } catch (const Error& e) {
    return refuse(plugin::Status::invalid_request, e.what());
  }
}

/// Checks the settings before every deployment, so that defaults and injection rules always apply.
std::shared_ptr<plugin::Instance> DeploymentJobs::instance(const WorkItem& item) const {
  const plugin::Connector* connector = options_.plugins->find("target", item.target_type);
  if (connector == nullptr) {
    std::vector<std::string> types;
    for (const auto* known : options_.plugins->connectors("target")) types.push_back(known->type());
    throw invalid(fmt::format("connector init failed: unsupported target type: {} (installed: {})",
                              printable(shorten(item.target_type, 100)), types.empty() ? "none" : join(types, ", ")));
  }
  const json::Raw sent = item.target_config.value_or(json::Raw{});
  if (!sent.text.starts_with('{')) {
    throw config_error(connector->type(),
                       fmt::format("target_config is a {}, not an object", json::type_name(json::parse(sent.text))));
  }
  const auto checked =
      connector->schema().check(with_defaults(sent, connector->schema(), options_.defaults, item.deploy_defaults));
  if (!checked.usable()) throw config_error(connector->type(), faults(checked.errors, checked.missing));
  for (const auto& finding : connector->validate(checked.config)) {
    if (finding.severity == plugin::Severity::bad) throw config_error(connector->type(), finding.text);
  }
  try {
    return connector->create(
        {.id = item.target_id, .config = checked.config, .services = options_.services, .resolve_secret = {}});
  } catch (const Error& e) {
    throw config_error(connector->type(), e.fields().empty() ? e.what() : faults(e.fields()));
  }
}

Step DeploymentJobs::deploy(Job& job, const Material& material, plugin::Instance& instance) {
  log::write(kDeploying, {{"job_id", job.item.id},
                          {"certificate_id", job.item.certificate_id},
                          {"target_id", job.item.target_id},
                          {"target_type", job.item.target_type}});
  const plugin::Outcome outcome = instance.call("deploy", call(job, material));
  crash_point("deployed");
  // Only the agent's own stop cancels: the job is taken up again at the next start.
  if (job.cancellation->cancelled() && !outcome.done()) return Step::again(std::chrono::hours(1));
  return conclude(job, material, outcome);
}

plugin::Call DeploymentJobs::call(const Job& job, const Material& material) const {
  plugin::Call out;
  out.in.add(CERTCTL_KEY_IDEMPOTENCY_KEY, job.item.id)
      .add(CERTCTL_KEY_LEAF, material.chain.leaf_pem())
      .add(CERTCTL_KEY_CHAIN, material.chain.issuers_pem())
      .add(CERTCTL_KEY_CERTIFICATE_ID, job.item.certificate_id)
      .add(CERTCTL_KEY_JOB_ID, job.item.id)
      .add_if(CERTCTL_KEY_TARGET_ID, job.item.target_id)
      .add(CERTCTL_KEY_STATE_DIR, std::filesystem::absolute(options_.state_dir).string())
      .add(CERTCTL_KEY_EXPECTED_SERIAL, material.chain.leaf.serial())
      .add_bytes(CERTCTL_KEY_EXPECTED_SHA256, from_hex(material.chain.leaf.fingerprint_sha256()).value_or(Bytes{}));
  material.key.to_pem(crypto::KeyForm::pkcs8).use([&](std::string_view pem) {
    out.in.add(CERTCTL_KEY_KEY_PKCS8, pem);
  });
  const auto original = material.key.algorithm() == "ECDSA" ? crypto::KeyForm::traditional : crypto::KeyForm::pkcs8;
  material.key.to_pem(original).use([&](std::string_view pem) { out.in.add(CERTCTL_KEY_KEY_ORIGINAL, pem); });
  if (const auto token = job.resumed ? read_file(token_path(job)) : std::nullopt)
    out.in.add_bytes(CERTCTL_KEY_CHECKPOINT, as_bytes(*token));

  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(job.deadline - session_.clock().now());
  out.timeout = std::max<std::chrono::milliseconds>(left, std::chrono::seconds(60));
  out.cancellation = job.cancellation;
  out.request_id = job.item.id;
  out.checkpoint = [path = token_path(job)](std::span<const std::uint8_t> bytes) {
    write_durably(path, as_text(bytes));
    return true;
  };
  return out;
}

Step DeploymentJobs::conclude(const Job& job, const Material& material, const plugin::Outcome& outcome) {
  const crypto::Certificate& leaf = material.chain.leaf;
  DeploymentReport numbers = deployment_report(outcome, leaf.fingerprint_sha256());
  if (!outcome.done()) {
    std::string why = outcome.text.empty() ? std::string(plugin::to_text(outcome.status)) : outcome.text;
    if (outcome.unread_critical) why = fmt::format("the connector ignored {}", join(outcome.unread, ", "));
    return session_.fail(job, "deployment failed: " + why, std::move(numbers));
  }
  deployed_.record(
      {job.item.target_id, job.item.certificate_id, leaf.spki_sha256(), leaf.fingerprint_sha256(), leaf.not_after()});
  log::write(kDeployed, {{"job_id", job.item.id},
                         {"certificate_id", job.item.certificate_id},
                         {"target_type", job.item.target_type},
                         {"target_address", numbers.target_address},
                         {"fingerprint_sha256", leaf.fingerprint_sha256()},
                         {"idempotent", numbers.idempotent},
                         {"verification", numbers.verification.status},
                         {"duration_ms", outcome.took.count()}});
  return session_.finish(job, Report::completed(std::move(numbers)));
}

/// The rollback token of a target's last deployment.
std::filesystem::path DeploymentJobs::token_path(const Job& job) const {
  return options_.state_dir / "rollback" / (job.item.target_id.empty() ? job.item.id : job.item.target_id);
}

}  // namespace certctl::agent
