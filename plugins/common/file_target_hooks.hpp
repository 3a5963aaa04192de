#pragma once

#include "plugins/common/file_target.hpp"

namespace certctl::common {

/// Commands and probes of one call of a file target. Inner header.
class FileTarget::Hooks final : public DeploymentHooks {
 public:
  /// `material`: null for a rollback.
  Hooks(const Call& call, const FileTarget& target, const Material* material)
      : call_(call), target_(target), material_(material) {}

  ValidateMode pre_commit(std::span<const Staged> files) override;
  void check_committed() override;
  void post_commit(bool rollback) override;
  Verification verify(const std::string& fingerprint, bool rollback) override;

  /// The validate command as it is, on the files as they are. Throws Error(permanent).
  void validate(std::vector<std::pair<std::string, std::string>> binds, bool& isolated);
  /// The endpoint of the settings, or the server's own; asked once.
  const std::optional<ServedAt>& served_at();

 private:
  ProcessResult run(const Command& command, std::chrono::milliseconds timeout, bool rollback,
                    std::vector<std::pair<std::string, std::string>> binds = {});
  Pairs environment(bool rollback) const;
  Expectation expectation(const std::string& fingerprint) const;

  const Call& call_;
  const FileTarget& target_;
  const Material* material_;
  std::optional<ServedAt> served_at_;
};

}  // namespace certctl::common
