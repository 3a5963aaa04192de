#include "agent/options.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/http/uri.hpp"

namespace certctl::agent {
namespace {

using config::Type;

constexpr Flag kFlags[] = {
    {"server", false, "string",
     "Control plane URL, https only (CERTCTL_SERVER_URL) (default \"https://localhost:8443\")"},
    {"api-key", false, "string", "API key (CERTCTL_API_KEY)"},
    {"api-key-file", false, "string", "File that holds the API key, mode 0600 (CERTCTL_API_KEY_FILE)"},
    {"bootstrap-token", false, "string", "Token for the registration (CERTCTL_AGENT_BOOTSTRAP_TOKEN)"},
    {"name", false, "string", "Display name (CERTCTL_AGENT_NAME) (default \"certctl-agent\")"},
    {"agent-id", false, "string", "Agent id (CERTCTL_AGENT_ID)"},
    {"key-dir", false, "string", "Directory of private keys (CERTCTL_KEY_DIR) (default \"/var/lib/certctl/keys\")"},
    {"state-dir", false, "string",
     "Directory of the agent's state (CERTCTL_STATE_DIR) (default: parent of the key directory)"},
    {"plugin-dir", false, "string", "Folders of target plugins, separated by colons (CERTCTL_PLUGIN_DIR)"},
    {"ca-bundle", false, "string", "PEM bundle that replaces the system roots (CERTCTL_SERVER_CA_BUNDLE_PATH)"},
    {"insecure-skip-verify", true, "",
     "Do not verify the control plane's certificate; development only (CERTCTL_SERVER_TLS_INSECURE_SKIP_VERIFY)"},
    {"config", false, "string", "File of CERTCTL_NAME=value lines, read before the environment (CERTCTL_AGENT_CONFIG)"},
    {"version", true, "", "Print version and plugins, then exit"},
    {"check-config", true, "", "Check the configuration and the connection, then exit"},
    {"once", true, "", "One heartbeat, one poll, the jobs, then exit"},
};

constexpr config::Setting kSettings[] = {
    {"CERTCTL_SERVER_URL", Type::text, "https://localhost:8443", "Control plane", "https URL; a path prefix is kept"},
    {"CERTCTL_API_KEY", Type::secret, "", "Control plane", "bearer key", config::Reload::live},
    {"CERTCTL_API_KEY_FILE", Type::text, "", "Control plane", "file that holds the key, mode 0600",
     config::Reload::live},
    {"CERTCTL_AGENT_BOOTSTRAP_TOKEN", Type::secret, "", "Control plane", "used once, for registration"},
    {"CERTCTL_SERVER_CA_BUNDLE_PATH", Type::text, "", "Control plane", "PEM bundle that replaces the system roots",
     config::Reload::live},
    {"CERTCTL_SERVER_TLS_INSECURE_SKIP_VERIFY", Type::boolean, "false", "Control plane", "development only"},
    {"CERTCTL_AGENT_TLS_MIN_VERSION", Type::choice, "1.3", "Control plane", "1.2 for proxies that terminate TLS",
     config::Reload::restart, 0, 0, "1.2|1.3"},
    {"CERTCTL_AGENT_CLIENT_CERT", Type::text, "", "Control plane", "client certificate chain, PEM",
     config::Reload::live},
    {"CERTCTL_AGENT_CLIENT_KEY", Type::text, "", "Control plane", "its key, PEM", config::Reload::live},
    {"CERTCTL_AGENT_NAME", Type::text, "", "Agent", "display name; registration falls back to the host name"},
    {"CERTCTL_AGENT_ID", Type::text, "", "Agent", "id in all paths"},
    {"CERTCTL_KEY_DIR", Type::text, "/var/lib/certctl/keys", "Agent", "private keys"},
    {"CERTCTL_STATE_DIR", Type::text, "", "Agent", "journals, outbox, identity; default: parent of the key directory"},
    {"CERTCTL_PLUGIN_DIR", Type::text, "/usr/lib/certctl/plugins:/usr/local/lib/certctl/plugins", "Agent",
     "folders with targets/ below"},
    {"CERTCTL_LOG_LEVEL", Type::choice, "info", "Agent", "least level that is logged", config::Reload::restart, 0, 0,
     "debug|info|warn|error"},
    {"CERTCTL_HEARTBEAT_INTERVAL", Type::duration, "60s", "Agent", "between heartbeats", config::Reload::restart, 5,
     86400},
    {"CERTCTL_POLL_INTERVAL", Type::duration, "30s", "Agent", "between polls of a server without long poll",
     config::Reload::restart, 1, 86400},
    {"CERTCTL_AGENT_DEPLOY_CONCURRENCY", Type::integer, "4", "Deployment", "targets in parallel",
     config::Reload::restart, 1, 64},
    {"CERTCTL_VERIFY_DEPLOYMENT", Type::boolean, "true", "Deployment", "look at what is served afterwards"},
    {"CERTCTL_VERIFY_DELAY", Type::duration, "2s", "Deployment", "before the first look", config::Reload::restart, 0,
     600},
    {"CERTCTL_VERIFY_TIMEOUT", Type::duration, "10s", "Deployment", "for each look", config::Reload::restart, 0.1, 600},
    {"CERTCTL_DEPLOY_BACKUP_RETENTION", Type::integer, "3", "Deployment", "backups of each file; -1: none",
     config::Reload::restart, -1, 1000},
    {"CERTCTL_KEY_RETENTION", Type::integer, "3", "Deployment", "keys of each certificate", config::Reload::restart, 1,
     1000},
    {"CERTCTL_KEYGEN_MODE", Type::text, "", "Accepted", "written by installers; no meaning for the agent"},
    {"CERTCTL_DISCOVERY_DIRS", Type::text, "", "Accepted", "not in this version"},
};

struct FlagSetting {
  const char* flag;
  const char* setting;
};
constexpr FlagSetting kFlagSettings[] = {
    {"server", "CERTCTL_SERVER_URL"},
    {"api-key", "CERTCTL_API_KEY"},
    {"api-key-file", "CERTCTL_API_KEY_FILE"},
    {"bootstrap-token", "CERTCTL_AGENT_BOOTSTRAP_TOKEN"},
    {"name", "CERTCTL_AGENT_NAME"},
    {"agent-id", "CERTCTL_AGENT_ID"},
    {"key-dir", "CERTCTL_KEY_DIR"},
    {"state-dir", "CERTCTL_STATE_DIR"},
    {"plugin-dir", "CERTCTL_PLUGIN_DIR"},
    {"ca-bundle", "CERTCTL_SERVER_CA_BUNDLE_PATH"},
    {"insecure-skip-verify", "CERTCTL_SERVER_TLS_INSECURE_SKIP_VERIFY"},
};

/// Secrets may come as a value or from a file; whichever a stronger source gives replaces the other.
constexpr std::pair<std::string_view, std::string_view> kSecretPairs[] = {
    {"CERTCTL_API_KEY", "CERTCTL_API_KEY_FILE"},
    {"CERTCTL_AGENT_BOOTSTRAP_TOKEN", "CERTCTL_AGENT_BOOTSTRAP_TOKEN_FILE"},
};

std::string_view variable(char** environment, std::string_view name) {
  for (char** at = environment; at != nullptr && *at != nullptr; ++at) {
    const std::string_view pair = *at;
    if (pair.size() > name.size() && pair[name.size()] == '=' && pair.starts_with(name))
      return pair.substr(name.size() + 1);
  }
  return {};
}

/// The environment as the table reads it: blanks around values dropped, log levels in any case, and no secret that a
/// flag gives in its other form.
std::vector<std::string> cleaned_environment(const ParsedFlags& flags, char** environment) {
  std::vector<std::string> out;
  for (char** at = environment; at != nullptr && *at != nullptr; ++at) {
    const std::string_view pair = *at;
    const auto equals = pair.find('=');
    if (!pair.starts_with("CERTCTL_") || equals == std::string_view::npos) continue;
    const std::string_view name = pair.substr(0, equals);
    std::string value(trim(pair.substr(equals + 1)));
    if (name == "CERTCTL_LOG_LEVEL") value = lower(value);
    if (name == "CERTCTL_API_KEY" && flags.values.contains("api-key-file")) continue;
    if (name == "CERTCTL_API_KEY_FILE" && flags.values.contains("api-key")) continue;
    if (name == "CERTCTL_AGENT_BOOTSTRAP_TOKEN_FILE" && flags.values.contains("bootstrap-token")) continue;
    out.push_back(fmt::format("{}={}", name, value));
  }
  return out;
}

config::Layers layers(const ParsedFlags& flags, char** environment) {
  config::Layers out;
  std::vector<std::string> cleaned = cleaned_environment(flags, environment);
  std::vector<char*> pointers;
  for (auto& pair : cleaned) pointers.push_back(pair.data());
  pointers.push_back(nullptr);

  const auto flagged = flags.values.find("config");
  const std::string file =
      flagged != flags.values.end() ? flagged->second : std::string(variable(environment, "CERTCTL_AGENT_CONFIG"));
  if (!file.empty()) {
    config::Layers from_file;
    from_file.add_file(file, kSettings);
    if (!from_file.problems().empty()) throw invalid(join(from_file.problems(), "\n"));
    const auto stronger = [&](std::string_view name) {
      if (!variable(pointers.data(), name).empty()) return true;
      return std::any_of(std::begin(kFlagSettings), std::end(kFlagSettings), [&](const FlagSetting& setting) {
        return setting.setting == name && flags.values.contains(setting.flag);
      });
    };
    for (const auto& [key, source] : from_file.values()) {
      bool replaced = false;
      for (const auto& [value, in_file] : kSecretPairs) {
        if (key == value) replaced = stronger(in_file);
        if (key == in_file) replaced = stronger(value);
      }
      if (!replaced) out.add(key, source.value, source.origin);
    }
  }
  out.add_environment(pointers.data(), kSettings);
  for (const auto& [flag, setting] : kFlagSettings) {
    const auto given = flags.values.find(flag);
    if (given != flags.values.end()) out.add(setting, given->second, fmt::format("-{}", flag));
  }
  return out;
}

Mode mode_of(const ParsedFlags& flags) {
  const auto on = [&](std::string_view name) {
    const auto found = flags.values.find(name);
    return found != flags.values.end() && found->second == "true";
  };
  if (on("version")) return Mode::version;
  if (on("check-config")) return Mode::check_config;
  return on("once") ? Mode::once : Mode::run;
}

log::Level level_of(std::string_view word) {
  for (const auto level : {log::Level::debug, log::Level::info, log::Level::warn, log::Level::error}) {
    if (log::to_text(level) == word) return level;
  }
  return log::Level::info;
}

/// systemd's LoadCredential=api-key:…
std::string credential_file(char** environment) {
  const std::string_view folder = variable(environment, "CREDENTIALS_DIRECTORY");
  if (folder.empty()) return {};
  const std::string path = fmt::format("{}/api-key", folder);
  return ::access(path.c_str(), F_OK) == 0 ? path : std::string();
}

DeployDefaults deploy_defaults(const config::Values& values) {
  DeployDefaults out;
  if (values.given("CERTCTL_VERIFY_DEPLOYMENT")) out.verify = values.flag("CERTCTL_VERIFY_DEPLOYMENT");
  if (values.given("CERTCTL_VERIFY_DELAY")) out.verify_delay = values.duration("CERTCTL_VERIFY_DELAY");
  if (values.given("CERTCTL_VERIFY_TIMEOUT")) out.verify_timeout = values.duration("CERTCTL_VERIFY_TIMEOUT");
  if (values.given("CERTCTL_DEPLOY_BACKUP_RETENTION"))
    out.backup_retention = values.integer("CERTCTL_DEPLOY_BACKUP_RETENTION");
  return out;
}

}  // namespace

std::span<const Flag> flag_table() { return kFlags; }
std::span<const config::Setting> setting_table() { return kSettings; }

Options read_options(const ParsedFlags& flags, char** environment) {
  config::Layers raw = layers(flags, environment);
  const auto& given = raw.values();
  if (!given.contains("CERTCTL_API_KEY") && !given.contains("CERTCTL_API_KEY_FILE")) {
    if (const std::string path = credential_file(environment); !path.empty())
      raw.add("CERTCTL_API_KEY_FILE", path, "CREDENTIALS_DIRECTORY");
  }
  const config::Values values(kSettings, raw);

  Options out;
  out.mode = mode_of(flags);
  out.server.url = values.text("CERTCTL_SERVER_URL");
  while (out.server.url.ends_with('/') && !out.server.url.ends_with("://")) out.server.url.pop_back();
  out.server.ca_bundle_path = values.text("CERTCTL_SERVER_CA_BUNDLE_PATH");
  out.server.insecure = values.flag("CERTCTL_SERVER_TLS_INSECURE_SKIP_VERIFY");
  out.server.tls13_only = values.text("CERTCTL_AGENT_TLS_MIN_VERSION") == "1.3";
  out.server.client_cert_path = values.text("CERTCTL_AGENT_CLIENT_CERT");
  out.server.client_key_path = values.text("CERTCTL_AGENT_CLIENT_KEY");
  out.server.proxy_url = proxy_for(out.server.url, environment);
  out.api_key = values.secret("CERTCTL_API_KEY").clone();
  out.api_key_file = values.text("CERTCTL_API_KEY_FILE");
  out.bootstrap_token = values.secret("CERTCTL_AGENT_BOOTSTRAP_TOKEN").clone();
  out.chosen_name = values.text("CERTCTL_AGENT_NAME");
  out.name = out.chosen_name.empty() ? "certctl-agent" : out.chosen_name;
  out.agent_id = values.text("CERTCTL_AGENT_ID");
  out.key_dir = values.text("CERTCTL_KEY_DIR");
  out.state_dir = values.text("CERTCTL_STATE_DIR");
  if (out.state_dir.empty()) out.state_dir = std::filesystem::absolute(out.key_dir).lexically_normal().parent_path();
  for (const auto folder : split(values.text("CERTCTL_PLUGIN_DIR"), ':')) {
    if (!trim(folder).empty()) out.plugin_dirs.emplace_back(trim(folder));
  }
  out.log_level = level_of(values.text("CERTCTL_LOG_LEVEL"));
  out.heartbeat_interval = values.duration("CERTCTL_HEARTBEAT_INTERVAL");
  out.heartbeat_interval_given = values.given("CERTCTL_HEARTBEAT_INTERVAL");
  out.poll_interval = values.duration("CERTCTL_POLL_INTERVAL");
  out.poll_interval_given = values.given("CERTCTL_POLL_INTERVAL");
  out.deploy_concurrency = int(values.integer("CERTCTL_AGENT_DEPLOY_CONCURRENCY"));
  out.deploy = deploy_defaults(values);
  out.key_retention = int(values.integer("CERTCTL_KEY_RETENTION"));
  out.discovery_dirs_set = values.given("CERTCTL_DISCOVERY_DIRS");
  return out;
}

void check_server_url(const std::string& url) {
  const std::string shown = printable(shorten(url, 200));
  if (trim(url).empty()) {
    throw invalid(fmt::format(
        "CERTCTL_SERVER_URL is empty (\"{}\"): set it, or -server, to the https:// URL of the control plane", shown));
  }
  const auto mark = url.find("://");
  const std::string scheme = mark == std::string::npos ? "" : lower(url.substr(0, mark));
  if (mark == std::string::npos) {
    throw invalid(fmt::format("CERTCTL_SERVER_URL \"{}\" has no scheme: write https://{}", shown, shown));
  }
  if (scheme == "http") {
    throw invalid(fmt::format(
        "CERTCTL_SERVER_URL \"{}\" is plain http, but the control plane is HTTPS-only: write https://", shown));
  }
  if (scheme != "https") {
    throw invalid(fmt::format("CERTCTL_SERVER_URL \"{}\" has the unsupported scheme \"{}\": only https:// is supported",
                              shown, printable(scheme)));
  }
  try {
    http::parse_url(url);
  } catch (const Error& e) {
    throw invalid(fmt::format("CERTCTL_SERVER_URL \"{}\" is not a valid URL: {}", shown, e.what()));
  }
}

std::string proxy_for(const std::string& server_url, char** environment) {
  const auto either = [&](std::string_view upper_case, std::string_view lower_case) {
    const auto found = variable(environment, lower_case);
    return std::string(trim(found.empty() ? variable(environment, upper_case) : found));
  };
  std::string proxy = either("HTTPS_PROXY", "https_proxy");
  if (proxy.empty()) return {};
  const auto mark = server_url.find("://");
  const std::string_view rest = std::string_view(server_url).substr(mark == std::string::npos ? 0 : mark + 3);
  const std::string authority = lower(rest.substr(0, rest.find('/')));
  const std::string host = authority.starts_with('[') ? authority.substr(1, authority.find(']') - 1)
                                                      : authority.substr(0, authority.find(':'));
  for (std::string entry : split_list(either("NO_PROXY", "no_proxy"))) {
    entry = lower(entry);
    if (entry == "*" || entry == host || entry == authority) return {};
    if (entry.starts_with("*.")) entry.erase(0, 1);
    const std::string suffix = entry.starts_with('.') ? entry : '.' + entry;
    if (host.ends_with(suffix)) return {};
  }
  return proxy.find("://") == std::string::npos ? "http://" + proxy : proxy;
}

}  // namespace certctl::agent
