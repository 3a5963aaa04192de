#pragma once

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "plugins/common/common_test_support.hpp"
#include "plugins/common/deployment.hpp"
#include "plugins/common/material.hpp"

namespace certctl::common {

/// Stands for a server: what it serves is what the certificate file held when it was last told to reload. Kept in a
/// file, so that it outlives the process that deploys.
class SimulatedServer final : public DeploymentHooks {
 public:
  explicit SimulatedServer(const TestFolder& folder) : folder_(folder) {}

  ValidateMode pre_commit(std::span<const Staged>) override {
    if (refuse_new) throw permanent("nginx -t failed: exit status 1 (output: no)");
    return mode;
  }
  void check_committed() override {
    if (refuse_committed) throw permanent("nginx -t failed: exit status 1 (output: after)");
  }
  void post_commit(bool rollback) override {
    ++reloads;
    if (fail_reload || (rollback && fail_rollback))
      throw permanent("nginx -s reload failed: exit status 1 (output: dead)");
    if (deaf) return;
    folder_.write("served", folder_.has("tls/cert.pem") ? folder_.read("tls/cert.pem") : "");
  }
  Verification verify(const std::string& fingerprint, bool) override {
    Verification result{Verification::Status::success, "x:443", fingerprint, served(), 1, {}, {}};
    if (result.actual != fingerprint) {
      result.status = Verification::Status::failed;
      result.error = "post-deploy TLS verify SHA-256 mismatch: got " + result.actual + ", want " + fingerprint;
    }
    return result;
  }
  std::string served() const {
    const std::string pem = folder_.read("served");
    return pem.empty() ? std::string() : read_certificate(pem).fingerprint;
  }

  ValidateMode mode = ValidateMode::in_namespace;
  bool refuse_new = false;
  bool refuse_committed = false;
  bool fail_reload = false;
  bool fail_rollback = false;
  bool deaf = false;  ///< reloads without taking the new files
  int reloads = 0;

 private:
  const TestFolder& folder_;
};

/// Made once: each costs a process of its own.
struct Certificates {
  TestCa ca;
  TestCertificate old = ca.issue("old.example");
  TestCertificate next = ca.issue("next.example");
  TestCertificate third = ca.issue("third.example");
};
inline const Certificates& certificates() {
  static const Certificates made;
  return made;
}

/// A machine on which `old` is installed and served, and `next` waits to be.
struct Machine {
  Machine() {
    folder.write("tls/cert.pem", old.leaf + old.chain, 0644);
    folder.write("tls/key.pem", old.key, 0640);
    folder.write("served", old.leaf);
  }

  Plan plan(const TestCertificate& what) const {
    Plan plan;
    plan.target_id = "target-1";
    plan.job_id = "job-1";
    plan.fingerprint = what.fingerprint;
    plan.files.push_back(
        {folder.file("tls/cert.pem"), SecretText::copy_of(what.leaf + what.chain), Role::cert, {}, {}});
    plan.files.push_back({folder.file("tls/key.pem"), SecretText::copy_of(what.key), Role::key, {}, {.mode = 0600}});
    return plan;
  }
  EngineOptions options(FileAccess::StepHook hook = {}) const {
    EngineOptions options;
    options.state_dir = folder.file("state");
    options.step_hook = std::move(hook);
    options.wait = [](std::chrono::milliseconds time) {
      std::this_thread::sleep_for(time);
      return true;
    };
    return options;
  }
  DeploymentResult deploy(const Plan& plan, DeploymentHooks& hooks, FileAccess::StepHook hook = {}) const {
    return DeploymentEngine(options(std::move(hook))).deploy(plan, hooks);
  }

  bool holds(const TestCertificate& what) const {
    return folder.read("tls/cert.pem") == what.leaf + what.chain && folder.read("tls/key.pem") == what.key;
  }
  std::vector<std::string> temps() const { return folder.names("tls", "certctl-tmp"); }
  std::vector<std::string> backups() const { return folder.names("tls", "certctl-bak"); }
  std::string journal_state() const {
    const std::string text = folder.read("state/deployments/target-1.json");
    return text.empty() ? std::string() : std::string(to_text(Journal::parse(text).state));
  }

  const TestCertificate& old = certificates().old;
  const TestCertificate& next = certificates().next;
  TestFolder folder{fast_folder()};
};

inline DeploymentFailure failure_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const DeploymentFailure& failure) {
    return failure;
  }
  throw std::runtime_error("the deployment was expected to fail");
}

}  // namespace certctl::common
