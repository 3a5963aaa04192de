#include "agent/report.hpp"

#include "core/base/json.hpp"
#include "core/base/text.hpp"

namespace certctl::agent {
namespace {

constexpr std::size_t kErrorLimit = 4096;

void field_if(json::Writer& out, std::string_view name, const std::string& text) {
  if (!text.empty()) out.field(name, text);
}

void write(json::Writer& out, const Verification& verification) {
  out.begin_object().field("status", verification.status);
  field_if(out, "endpoint", verification.endpoint);
  field_if(out, "expected_fingerprint", verification.expected_fingerprint);
  field_if(out, "actual_fingerprint", verification.actual_fingerprint);
  out.field("attempts", verification.attempts);
  field_if(out, "error", verification.error);
  out.end_object();
}

void write(json::Writer& out, const DeploymentReport& deployment) {
  out.begin_object()
      .field("deployment_id", deployment.deployment_id)
      .field("target_address", deployment.target_address)
      .field("message", printable(shorten(deployment.message, kErrorLimit)))
      .field("idempotent", deployment.idempotent)
      .field("stage", deployment.stage)
      .field("rolled_back", deployment.rolled_back)
      .field("manual_action_required", deployment.manual_action_required)
      .field("fingerprint_sha256", deployment.fingerprint_sha256)
      .field("previous_fingerprint_sha256", deployment.previous_fingerprint_sha256);
  field_if(out, "error_kind", deployment.error_kind);
  field_if(out, "validate_mode", deployment.validate_mode);
  out.key("durations_ms").begin_object();
  for (const auto& [stage, duration] : deployment.durations_ms) out.field(stage, duration);
  out.end_object().field("backup_paths", deployment.backup_paths).key("verification");
  write(out, deployment.verification);
  out.field("metadata", deployment.metadata).end_object();
}

}  // namespace

Report Report::completed(DeploymentReport deployment) {
  Report out;
  out.status = "Completed";
  out.deployment = std::move(deployment);
  return out;
}

Report Report::failed(const std::string& error, std::optional<DeploymentReport> deployment) {
  Report out;
  out.status = "Failed";
  out.error = error;
  out.deployment = std::move(deployment);
  return out;
}

std::string to_json(const Report& report) {
  json::Writer out;
  out.begin_object()
      .field("status", report.status)
      .field("error", printable(shorten(report.error, kErrorLimit)))
      .field("report_id", report.report_id);
  if (report.deployment) {
    out.key("deployment");
    write(out, *report.deployment);
  }
  return out.end_object().take();
}

std::optional<std::string> verification_json(const std::string& target_id, const Verification& verification) {
  if (verification.status == "skipped" || target_id.empty()) return std::nullopt;
  json::Writer out;
  out.begin_object()
      .field("target_id", target_id)
      .field("expected_fingerprint", verification.expected_fingerprint)
      .field("actual_fingerprint", verification.actual_fingerprint)
      .field("verified", verification.status == "success");
  if (!verification.error.empty()) out.field("error", printable(shorten(verification.error, kErrorLimit)));
  return out.end_object().take();
}

}  // namespace certctl::agent
