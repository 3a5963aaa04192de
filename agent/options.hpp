#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/flags.hpp"
#include "core/base/clock.hpp"
#include "core/base/config.hpp"
#include "core/base/log.hpp"
#include "core/base/secret.hpp"

namespace certctl::agent {

enum class Mode { run, version, check_config, once };

/// How to reach the control plane.
struct ServerOptions {
  std::string url;  ///< without trailing `/`; checked by check_server_url()
  std::string ca_bundle_path;
  bool insecure = false;
  bool tls13_only = true;
  std::string client_cert_path;
  std::string client_key_path;
  std::string proxy_url;  ///< empty: none, or the server is listed in NO_PROXY
};

/// What a target's configuration leaves open (targets.md §§3.1, 4). Absent: neither the operator nor the environment
/// said anything, so the server's value or the connector's own default holds.
struct DeployDefaults {
  std::optional<bool> verify;
  std::optional<Duration> verify_delay;
  std::optional<Duration> verify_timeout;
  std::optional<std::int64_t> backup_retention;
};

/// Everything the agent is told from outside, checked as far as that goes without looking at files.
struct Options {
  Mode mode = Mode::run;
  ServerOptions server;
  Secret api_key;
  std::string api_key_file;
  Secret bootstrap_token;
  std::string name;         ///< for logs
  std::string chosen_name;  ///< empty: nobody chose one, registration uses the host name
  std::string agent_id;     ///< empty: the stored one, or the one that registration gives
  std::filesystem::path key_dir;
  std::filesystem::path state_dir;
  std::vector<std::string> plugin_dirs;
  log::Level log_level = log::Level::info;
  Duration heartbeat_interval{};
  bool heartbeat_interval_given = false;
  Duration poll_interval{};
  bool poll_interval_given = false;
  int deploy_concurrency = 4;
  DeployDefaults deploy;
  int key_retention = 3;
  bool discovery_dirs_set = false;
};

std::span<const Flag> flag_table();
std::span<const config::Setting> setting_table();

/// Flag, then environment, then `-config` file, then default. Throws Error(invalid) that names each bad setting.
Options read_options(const ParsedFlags& flags, char** environment);

/// Throws Error(invalid) with one of five texts, each naming CERTCTL_SERVER_URL and the value.
void check_server_url(const std::string& url);

/// The proxy for `server_url` by HTTPS_PROXY and NO_PROXY (either case); empty: none.
std::string proxy_for(const std::string& server_url, char** environment);

}  // namespace certctl::agent
