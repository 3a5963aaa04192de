#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <certctl/target.hpp>

#include "plugins/common/command.hpp"
#include "plugins/common/deployment.hpp"
#include "plugins/common/material.hpp"
#include "plugins/common/verification.hpp"

namespace certctl::common {

/// What a connector for a server that reads files says about itself.
struct FileTargetFacts {
  std::string type;           ///< `NGINX`
  std::string deployment_id;  ///< first part of the deployment id: `nginx`
  std::string validate_command;  ///< when the setting is absent; skipped if its program is not installed
  std::string reload_command;
  std::string validate_stem;  ///< upstream's words: `nginx -t failed`
  std::string reload_stem;
  std::uint16_t default_port = 443;
  OwnershipDefaults certificate_defaults;
  OwnershipDefaults key_defaults;
};

/// Where the server can be asked for what it serves.
struct ServedAt {
  Endpoint endpoint;
  std::string server_name;  ///< SNI; empty: see verify_served()
};

/// Base of connectors whose server reads files and is told by commands. A connector says which files there are; this
/// class does the rest (targets.md §3, §4). Settings read here: validate_command, reload_command, validate_timeout,
/// reload_timeout, backup_retention, backup_dir, the owner keys and the verify keys.
class FileTarget : public Target {
 public:
  Status dry_run(Call& call) override;
  Status deploy(Call& call) override;
  Status verify(Call& call) override;
  Status rollback(Call& call) override;
  Status current(Call& call) override;
  Status test(Call& call) override;

 protected:
  FileTarget(const Call& call, FileTargetFacts facts);

  /// The files of one deployment. Throws Error(invalid_request) when the material does not suffice.
  virtual std::vector<PlannedFile> files(const Material& material) const = 0;
  /// The file whose first certificate tells what is installed.
  virtual std::string certificate_path() const = 0;
  /// Every path in the settings, for `test`.
  virtual std::vector<std::string> paths() const = 0;
  /// Where the certificate is served, read from the server's own configuration; nullopt: it cannot be told.
  virtual std::optional<ServedAt> find_endpoint(const Call&) const { return std::nullopt; }

  /// Empty: the default's program is not installed.
  const std::optional<Command>& validate_command() const { return validate_; }
  std::chrono::milliseconds validate_timeout() const { return validate_timeout_; }
  OwnershipWish wish(const std::string& name) const;
  const FileTargetFacts& facts() const { return facts_; }

 private:
  class Hooks;
  struct Wishes {
    OwnershipWish cert, chain, key;
  };
  std::optional<Command> command(const Call& call, const char* setting, const std::string& fallback) const;
  Plan plan(const Call& call, const Material& material) const;
  void report(Call& call, const DeploymentResult& result, const Material& material,
              std::chrono::steady_clock::time_point start) const;
  void test_path(Call& call, const std::string& path) const;

  FileTargetFacts facts_;
  std::optional<Command> validate_;
  std::optional<Command> reload_;
  std::chrono::milliseconds validate_timeout_;
  std::chrono::milliseconds reload_timeout_;
  VerifySettings verify_settings_;
  int backup_retention_;
  std::string backup_dir_;
  Wishes wishes_;
};

/// Findings for what the schema cannot say about the settings read by FileTarget; `path_settings` are further names of
/// settings that hold paths. For a connector's `validate`.
void validate_file_settings(Call& call, const std::vector<std::string>& path_settings);

}  // namespace certctl::common
