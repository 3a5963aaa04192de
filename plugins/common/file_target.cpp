#include "plugins/common/file_target.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "plugins/common/file_target_hooks.hpp"
#include "plugins/common/openssl.hpp"

namespace certctl::common {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kValidateTimeout{30'000};
constexpr std::chrono::milliseconds kReloadTimeout{60'000};

std::int64_t to_ms(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

std::chrono::milliseconds duration(const Call& call, const std::string& name, std::chrono::milliseconds fallback) {
  const std::string text = call.setting("/" + name);
  return text.empty() ? fallback : parse_duration(name, text);
}

OwnershipWish read_wish(const Call& call, const std::string& name) {
  OwnershipWish wish;
  const std::string mode = call.setting("/" + name + "_file_mode");
  if (!mode.empty()) wish.mode = parse_mode(name + "_file_mode", mode);
  wish.owner = call.setting("/" + name + "_file_owner");
  wish.group = call.setting("/" + name + "_file_group");
  return wish;
}

/// Tests let the process die at the n-th file step: CERTCTL_CRASH_AT=deploy.rename or deploy.rename:2.
FileAccess::StepHook crash_hook() {
#ifdef CERTCTL_TEST_HOOKS
  const char* wanted = std::getenv("CERTCTL_CRASH_AT");
  constexpr std::string_view kPrefix = "deploy.";
  if (wanted == nullptr || !std::string_view(wanted).starts_with(kPrefix)) return {};
  const std::string_view text = std::string_view(wanted).substr(kPrefix.size());
  const auto colon = text.find(':');
  int countdown = colon == std::string_view::npos ? 1 : std::atoi(text.data() + colon + 1);
  return [step = std::string(text.substr(0, colon)), countdown](std::string_view name, const std::string&) mutable {
    if (name == step && --countdown == 0) ::_exit(137);
  };
#else
  return {};
#endif
}

EngineOptions engine_options(Call& call) {
  EngineOptions options;
  options.state_dir = call.text(key::state_dir);
  options.step_hook = crash_hook();
  options.wait = [&call](std::chrono::milliseconds time) { return call.wait(time); };
  options.checkpoint = [&call](std::string_view token) { call.checkpoint(token); };
  options.warn = [&call](std::string_view event, std::string_view text) { call.warn(event, text); };
  return options;
}

void put_meta(Call& call, const DeploymentResult& result) {
  const auto flag = [](bool value) { return value ? "true" : "false"; };
  const auto meta = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) call.put(key::meta, name, value);
  };
  meta("idempotent", flag(result.idempotent));
  meta("previous_fingerprint_sha256", result.previous_fingerprint);
  meta("validate_mode", to_text(result.validate_mode));
  if (result.ownership_not_applied) meta("ownership_not_applied", "true");
  std::string backups;
  for (const std::string& path : result.backup_paths) backups += (backups.empty() ? "" : "\n") + path;
  meta("backup_paths", backups);
  for (const auto& [stage, time] : result.phase_ms) meta("phase_ms_" + stage, std::to_string(time));
  const Verification& verification = result.verification;
  meta("verification_status", to_text(verification.status));
  meta("verification_endpoint", verification.endpoint);
  meta("verification_expected", verification.expected);
  meta("verification_actual", verification.actual);
  if (verification.attempts > 0) meta("verification_attempts", std::to_string(verification.attempts));
  meta("verification_error", verification.error);
  std::string warnings = verification.warning;
  for (const std::string& warning : result.warnings) warnings += (warnings.empty() ? "" : "; ") + warning;
  meta("warnings", warnings);
}

void put_failure(Call& call, const DeploymentFailure& failure) {
  call.put(key::stage, failure.stage());
  call.put(key::meta, "stage", failure.stage());
  put_meta(call, failure.so_far);
  call.put(key::meta, "rolled_back", failure.rolled_back ? "true" : "false");
  call.put(key::meta, "manual_action_required", failure.manual_action_required ? "true" : "false");
}

}  // namespace

FileTarget::FileTarget(const Call& call, FileTargetFacts facts)
    : facts_(std::move(facts)),
      validate_(command(call, "validate_command", facts_.validate_command)),
      reload_(command(call, "reload_command", facts_.reload_command)),
      validate_timeout_(duration(call, "validate_timeout", kValidateTimeout)),
      reload_timeout_(duration(call, "reload_timeout", kReloadTimeout)),
      verify_settings_(read_verify_settings(call, facts_.default_port)),
      backup_retention_(int(call.setting_integer("/backup_retention", 0))),
      backup_dir_(call.setting("/backup_dir")),
      wishes_{read_wish(call, "cert"), read_wish(call, "chain"), read_wish(call, "key")} {}

std::optional<Command> FileTarget::command(const Call& call, const char* setting, const std::string& fallback) const {
  const std::string text = call.setting("/" + std::string(setting));
  if (!text.empty()) return parse_command(setting, text);
  Command made = parse_command(setting, fallback);
  return find_program(made.arguments.front()).empty() ? std::nullopt : std::optional(std::move(made));
}

OwnershipWish FileTarget::wish(const std::string& name) const {
  return name == "key" ? wishes_.key : name == "chain" ? wishes_.chain : wishes_.cert;
}

Plan FileTarget::plan(const Call& call, const Material& material) const {
  Plan plan;
  plan.target_id = call.text(key::target_id);
  // Without a target's id its certificate file stands for it.
  if (plan.target_id.empty()) plan.target_id = "path-" + sha256_hex(certificate_path()).substr(0, 32);
  plan.job_id = call.text(key::job_id);
  plan.certificate_id = call.text(key::certificate_id);
  plan.fingerprint = material.fingerprint;
  plan.files = files(material);
  plan.backup_retention = backup_retention_;
  plan.backup_dir = backup_dir_;
  plan.skip_idempotent = call.flag(key::force);
  return plan;
}

Status FileTarget::dry_run(Call& call) {
  const Material material = read_material(call);
  Hooks hooks(call, *this, &material);
  const ValidateMode mode = DeploymentEngine(engine_options(call)).dry_run(plan(call, material), hooks);
  if (validate_ && mode != ValidateMode::in_namespace) {
    throw Error(Status::not_supported, "target connector does not support ValidateOnly dry-run");
  }
  call.put(key::meta, "validate_mode", to_text(mode));
  call.put(key::message, "the new certificate passes the checks of " + facts_.type);
  return call.done();
}

Status FileTarget::deploy(Call& call) {
  const auto start = SteadyClock::now();
  std::string stage = "material";
  try {
    const Material material = read_material(call);
    const std::string_view expected = call.get(key::expected_sha256);
    if (!expected.empty() && to_hex(expected) != material.fingerprint) {
      throw invalid_request("the leaf is not the certificate that was to be deployed");
    }
    stage = "validate_config";
    const Plan what = plan(call, material);
    Hooks hooks(call, *this, &material);
    report(call, DeploymentEngine(engine_options(call)).deploy(what, hooks), material, start);
    return call.done();
  } catch (const DeploymentFailure& failure) {
    put_failure(call, failure);
    throw;
  } catch (const Error&) {
    call.put(key::stage, stage).put(key::meta, "stage", stage);
    throw;
  }
}

void FileTarget::report(Call& call, const DeploymentResult& result, const Material& material,
                        SteadyClock::time_point start) const {
  const std::int64_t now = to_ms(std::chrono::system_clock::now());
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock::now() - start);
  const std::string& endpoint = result.verification.endpoint;
  call.put(key::target_address, endpoint.empty() ? certificate_path() : endpoint);
  call.put(key::deployment_id, facts_.deployment_id + "-" + std::to_string(now / 1000));
  call.put(key::stage, "verify").put(key::deployed_at, now).put(key::installed_serial, material.serial);
  std::string message = result.idempotent ? "certificate was already in place" : "certificate deployed";
  switch (result.verification.status) {
    case Verification::Status::success: message += ", served at " + endpoint; break;
    case Verification::Status::skipped: message += ", not verified: " + result.verification.warning; break;
    case Verification::Status::failed: break;  // a deployment that is not served does not get here
  }
  call.put(key::message, message);
  call.put(key::meta, "duration_ms", std::to_string(took.count()));
  call.put(key::meta, "fingerprint_sha256", material.fingerprint);
  call.put(key::meta, "rolled_back", "false");
  put_meta(call, result);
}

Status FileTarget::verify(Call& call) {
  const std::string expected = to_hex(call.get(key::expected_sha256));
  const auto answer = [&](bool valid, const std::string& message) {
    call.put(key::valid, valid ? 1 : 0).put(key::message, message).put(key::target_address, certificate_path());
    return call.done();
  };
  const Snapshot file = FileAccess().snapshot(resolve_destination(certificate_path()));
  if (!file.existed) return answer(false, certificate_path() + " does not exist");
  const InstalledCertificate installed = read_certificate(file.bytes.view());
  call.put(key::installed_serial, installed.serial).put(key::not_after, to_ms(installed.not_after));
  call.put(key::meta, "fingerprint_sha256", installed.fingerprint);
  if (!expected.empty() && installed.fingerprint != expected) {
    return answer(
        false, certificate_path() + " holds another certificate: got " + installed.fingerprint + ", want " + expected);
  }
  Hooks hooks(call, *this, nullptr);
  try {
    hooks.check_committed();
  } catch (const Error& error) {
    return answer(false, error.what());
  }
  const Verification served = hooks.verify(installed.fingerprint, false);
  DeploymentResult seen;
  seen.verification = served;
  put_meta(call, seen);
  if (served.status == Verification::Status::failed) return answer(false, served.error);
  return answer(true, served.status == Verification::Status::success ? "served at " + served.endpoint
                                                                       : "installed; " + served.warning);
}

Status FileTarget::rollback(Call& call) {
  const std::string_view token = call.get(key::checkpoint);
  if (token.empty()) throw invalid_request("a rollback needs the checkpoint of the deployment that it undoes");
  Hooks hooks(call, *this, nullptr);
  try {
    DeploymentEngine(engine_options(call)).roll_back(token, hooks);
  } catch (const DeploymentFailure& failure) {
    put_failure(call, failure);
    throw;
  }
  call.put(key::message, "the files of before the deployment are back").put(key::stage, "rollback");
  return call.done();
}

Status FileTarget::current(Call& call) {
  const Snapshot file = FileAccess().snapshot(resolve_destination(certificate_path()));
  if (!file.existed) throw Error(Status::not_found, certificate_path() + " does not exist");
  const InstalledCertificate installed = read_certificate(file.bytes.view());
  std::string digest;
  for (std::size_t i = 0; i + 1 < installed.fingerprint.size(); i += 2) {
    digest.push_back(char(std::stoi(installed.fingerprint.substr(i, 2), nullptr, 16)));
  }
  call.put(key::sha256, digest).put(key::installed_serial, installed.serial);
  call.put(key::not_after, to_ms(installed.not_after)).put(key::target_address, certificate_path());
  return call.done();
}

void FileTarget::test_path(Call& call, const std::string& path) const {
  try {
    const std::string destination = resolve_destination(path);
    const std::string folder = folder_of(destination);
    struct stat status {};
    if (::access(folder.c_str(), W_OK | X_OK) != 0) {
      call.finding(Severity::bad, system_fault("directory cannot be written:", folder));
    } else if (::stat(folder.c_str(), &status) == 0 && (status.st_mode & S_IWGRP) != 0) {
      call.finding(Severity::warning, "directory " + folder + " can be written by its group");
    } else {
      call.finding(Severity::good, path + " can be written");
    }
  } catch (const Error& error) {
    call.finding(Severity::bad, error.what());
  }
}

Status FileTarget::test(Call& call) {
  for (const std::string& path : paths()) test_path(call, path);
  if (!validate_)
    call.finding(Severity::warning,
                 "`" + facts_.validate_command + "` is not installed here: configurations are not checked");
  if (!reload_)
    call.finding(Severity::warning, "`" + facts_.reload_command + "` is not installed here: nothing will be reloaded");
  Hooks hooks(call, *this, nullptr);
  if (validate_) {
    try {
      hooks.check_committed();
      call.finding(Severity::good, "`" + validate_->text() + "` accepts the present configuration");
    } catch (const Error& error) {
      call.finding(Severity::bad, error.what(), "/validate_command");
    }
  }
  if (!verify_settings_.enabled) return call.done();
  if (const auto& where = hooks.served_at()) {
    call.finding(Severity::good, "what is served will be verified at " + where->endpoint.text());
  } else {
    call.finding(Severity::warning, "no endpoint is set and none could be derived: deployments will not be verified",
                 "/post_deploy_verify/endpoint");
  }
  return call.done();
}

void validate_file_settings(Call& call, const std::vector<std::string>& path_settings) {
  const auto checked = [&](const std::string& name, auto&& check) {
    try {
      check();
    } catch (const Error& error) {
      call.finding(Severity::bad, error.what(), error.setting().empty() ? "/" + name : error.setting());
    }
  };
  for (const std::string& name : path_settings) {
    const std::string path = call.setting("/" + name);
    const std::string fault = path.empty() ? std::string() : path_fault(path);
    if (!fault.empty()) call.finding(Severity::bad, name + ": " + fault, "/" + name);
  }
  if (const std::string folder = call.setting("/backup_dir"); !folder.empty() && !folder.starts_with('/')) {
    call.finding(Severity::bad, "backup_dir: path is not absolute", "/backup_dir");
  }
  for (const std::string name : {"validate_command", "reload_command"}) {
    const std::string text = call.setting("/" + name);
    if (text.empty()) continue;
    checked(name, [&] { parse_command(name, text); });
    if (has_glob(text)) {
      call.finding(Severity::warning, name + ": * ? [ ~ are taken literally, no shell expands them", "/" + name);
    }
  }
  for (const std::string name : {"cert", "chain", "key"}) checked(name + "_file_mode", [&] { read_wish(call, name); });
  const std::string key_mode = call.setting("/key_file_mode");
  checked("key_file_mode", [&] {
    if (!key_mode.empty() && (parse_mode("key_file_mode", key_mode) & 07) != 0 &&
        !call.setting_flag("/allow_world_readable_key")) {
      throw invalid_config("key_file_mode lets everybody on the machine read the key; set allow_world_readable_key to "
                           "allow that", "/key_file_mode");
    }
  });
  checked("post_deploy_verify", [&] { read_verify_settings(call, 443); });
  for (const std::string name : {"validate_timeout", "reload_timeout"}) {
    checked(name, [&] { duration(call, name, kValidateTimeout); });
  }
  const std::int64_t retention = call.setting_integer("/backup_retention", 0);
  if (retention < -1 || retention > 1000) {
    call.finding(Severity::bad, "backup_retention must be -1 to 1000", "/backup_retention");
  }
}

}  // namespace certctl::common
