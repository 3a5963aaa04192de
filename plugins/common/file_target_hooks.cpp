#include "plugins/common/file_target_hooks.hpp"

#include <poll.h>

#include <algorithm>

namespace certctl::common {
namespace {

bool sleep_for(std::chrono::milliseconds time) {
  ::poll(nullptr, 0, int(time.count()));
  return true;
}

}  // namespace

Pairs FileTarget::Hooks::environment(bool rollback) const {
  Pairs pairs = {{"CERTCTL_JOB_ID", call_.text(key::job_id)},
                 {"CERTCTL_CERTIFICATE_ID", call_.text(key::certificate_id)},
                 {"CERTCTL_TARGET_ID", call_.text(key::target_id)},
                 {"CERTCTL_TARGET_TYPE", target_.facts().type},
                 {"CERTCTL_PHASE", rollback ? "rollback" : "deploy"}};
  for (const char* name : {"cert", "key", "chain"}) {
    const std::string path = call_.setting("/" + std::string(name) + "_path");
    std::string variable = "CERTCTL_" + std::string(name) + "_PATH";
    std::ranges::transform(variable, variable.begin(), [](char c) { return c >= 'a' && c <= 'z' ? char(c - 32) : c; });
    if (!path.empty()) pairs.emplace_back(variable, path);
  }
  if (material_ != nullptr) pairs.emplace_back("CERTCTL_FINGERPRINT_SHA256", material_->fingerprint);
  return pairs;
}

ProcessResult FileTarget::Hooks::run(const Command& command, std::chrono::milliseconds timeout, bool rollback,
                                     std::vector<std::pair<std::string, std::string>> binds) {
  const CommandRequest request{command, environment(rollback), timeout, std::move(binds)};
  // A rollback has a deadline of its own: the call's may be the very one that has just passed.
  if (rollback && (call_.cancelled() || call_.remaining() < timeout)) return LocalRunner().run(request);
  try {
    return HostRunner(call_).run(request);
  } catch (const Error& error) {
    if (!rollback || error.status() != Status::cancelled) throw;
    return LocalRunner().run(request);
  }
}

void FileTarget::Hooks::validate(std::vector<std::pair<std::string, std::string>> binds, bool& isolated) {
  const bool bound = !binds.empty();
  ProcessResult result = run(*target_.validate_, target_.validate_timeout_, false, std::move(binds));
  isolated = bound && !result.isolation_refused;
  if (result.isolation_refused) result = run(*target_.validate_, target_.validate_timeout_, false);
  if (!result.succeeded()) {
    throw permanent(failure_text(target_.facts().validate_stem, result, target_.validate_timeout_));
  }
}

ValidateMode FileTarget::Hooks::pre_commit(std::span<const Staged> files) {
  if (!target_.validate_) return ValidateMode::builtin;
  // A file that is not there yet cannot be shown in its place, and the server's own check fails without it.
  const bool all_replace = std::ranges::all_of(files, &Staged::replaces);
  if (!all_replace) return ValidateMode::before_and_after_commit;
  std::vector<std::pair<std::string, std::string>> binds;
  for (const Staged& file : files) binds.emplace_back(file.temp, file.path);
  bool isolated = false;
  validate(std::move(binds), isolated);
  return isolated ? ValidateMode::in_namespace : ValidateMode::before_and_after_commit;
}

void FileTarget::Hooks::check_committed() {
  bool isolated = false;
  if (target_.validate_) validate({}, isolated);
}

void FileTarget::Hooks::post_commit(bool rollback) {
  if (!target_.reload_) {
    call_.warn("RELOAD_SKIPPED", "the default reload command's program is not installed");
    return;
  }
  const ProcessResult result = run(*target_.reload_, target_.reload_timeout_, rollback);
  if (!result.succeeded()) throw permanent(failure_text(target_.facts().reload_stem, result, target_.reload_timeout_));
}

const std::optional<ServedAt>& FileTarget::Hooks::served_at() {
  if (served_at_) return served_at_;
  if (target_.verify_settings_.endpoint) {
    served_at_ = ServedAt{*target_.verify_settings_.endpoint, target_.verify_settings_.server_name};
  } else {
    served_at_ = target_.find_endpoint(call_);
  }
  return served_at_;
}

/// What is known of the certificate with this fingerprint: the one of the call, else what stands in the file.
Expectation FileTarget::Hooks::expectation(const std::string& fingerprint) const {
  if (material_ != nullptr && material_->fingerprint == fingerprint) {
    return {fingerprint, material_->key_type, material_->first_name, material_->chain_fingerprints};
  }
  try {
    const Snapshot file = FileAccess().snapshot(resolve_destination(target_.certificate_path()));
    const InstalledCertificate installed = read_certificate(file.bytes.view());
    if (installed.fingerprint == fingerprint) return {fingerprint, installed.key_type, installed.first_name, {}};
  } catch (const Error& error) {
    call_.debug("INSTALLED_UNREADABLE", error.what());
  }
  return {fingerprint, {}, material_ != nullptr ? material_->first_name : std::string(), {}};
}

Verification FileTarget::Hooks::verify(const std::string& fingerprint, bool rollback) {
  Verification skipped;
  skipped.expected = fingerprint;
  if (!target_.verify_settings_.enabled) {
    skipped.warning = "verification is switched off";
    return skipped;
  }
  const auto& where = served_at();
  if (!where) {
    skipped.warning = "no endpoint is set and none could be derived; set post_deploy_verify.endpoint";
    return skipped;
  }
  VerifySettings settings = target_.verify_settings_;
  if (settings.server_name.empty()) settings.server_name = where->server_name;
  const auto wait = [&](std::chrono::milliseconds time) { return rollback ? sleep_for(time) : call_.wait(time); };
  return verify_served(settings, where->endpoint, expectation(fingerprint), wait);
}

}  // namespace certctl::common
