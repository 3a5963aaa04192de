#include "core/service/connector_settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "core/base/error.hpp"
#include "core/base/time.hpp"

namespace certctl::service {
namespace {

constexpr std::string_view kUndecipherable = "stored configuration cannot be decrypted";

/// Read by the host itself, whatever the plugin (issuers sheet §2.2).
constexpr std::array<std::string_view, 5> kHostSettings{"/timeout_seconds", "/ca_bundle", "/proxy_url", "/poll_max_wait_seconds",
                                                        "/allow_longer"};

// Upstream's words for secrets, and the endings of names that only look like one.
constexpr std::array<std::string_view, 7> kSecretWords{"password", "secret", "token", "key", "hmac", "private", "credentials"};
constexpr std::array<std::string_view, 7> kHarmlessEndings{"_path", "_file", "_filename", "_name", "_mode", "_owner", "_group"};

bool sounds_secret(std::string_view name) {
  const std::string word = lower(name);
  if (std::ranges::any_of(kHarmlessEndings, [&](std::string_view ending) { return word.ends_with(ending); })) return false;
  return std::ranges::any_of(kSecretWords, [&](std::string_view secret) { return word.find(secret) != std::string::npos; });
}

void mask_by_name(json::Writer& out, const json::Value& value, bool secret) {
  if (value.IsObject()) {
    out.begin_object();
    for (const auto& member : value.GetObject()) {
      const auto name = json::text_of(member.name);
      out.key(name);
      mask_by_name(out, member.value, secret || sounds_secret(name));
    }
    out.end_object();
  } else if (value.IsArray()) {
    out.begin_array();
    for (const auto& item : value.GetArray()) mask_by_name(out, item, secret);
    out.end_array();
  } else if (secret && value.IsString() && value.GetStringLength() != 0) {
    out.value(plugin::kMask);
  } else {
    out.value(value);
  }
}

json::Raw object_or_empty(const json::Raw& config) { return config.text.starts_with('{') ? config : json::Raw{}; }

/// `config` of a request body; nullopt: absent or null.
std::optional<json::Raw> sent_config(const json::Value& body) {
  const json::Value* sent = json::find(body, "config");
  if (sent == nullptr || sent->IsNull()) return std::nullopt;
  json::Raw config;
  domain::FieldErrors errors;
  domain::read_value(*sent, config, errors, "/config");
  if (!errors.empty()) {
    const std::string message = "Invalid request body: " + errors.front().message;
    throw Error(ErrorKind::invalid, message, std::move(errors));
  }
  return config;
}

[[noreturn]] void refuse(std::vector<FieldError> faults) {
  for (auto& fault : faults) fault.field.insert(0, "/config");
  const std::string message = fmt::format("invalid config: {}: {}", faults.front().field.substr(1), faults.front().message);
  throw Error(ErrorKind::invalid, message, std::move(faults));
}

std::optional<std::int64_t> mode_bits(std::string_view text) {
  if (text.starts_with("0o")) text.remove_prefix(2);
  if (text.empty() || text.size() > 4) return std::nullopt;
  std::int64_t bits = 0;
  for (const char c : text) {
    if (c < '0' || c > '7') return std::nullopt;
    bits = bits * 8 + (c - '0');
  }
  return bits;
}

std::optional<std::int64_t> nanoseconds(std::string_view text) {
  const auto duration = parse_duration(text);
  if (!duration || std::abs(duration->count()) > std::numeric_limits<std::int64_t>::max() / 1000) return std::nullopt;
  return duration->count() * 1000;
}

bool is_duration(std::string_view path) {
  return path == "post_deploy_verify_backoff" || path == "post_deploy_verify_max_backoff" || path == "post_deploy_verify.timeout" ||
         path == "exec_deadline";
}

std::optional<std::int64_t> wire_number(std::string_view path, std::string_view text) {
  if (path.ends_with("_file_mode")) return mode_bits(text);
  if (is_duration(path)) return nanoseconds(text);
  if (path == "timeout" || path == "winrm_timeout") return parse_integer(text);
  return std::nullopt;
}

void write_wire_form(json::Writer& out, const json::Value& value, const std::string& path) {
  if (value.IsObject()) {
    out.begin_object();
    for (const auto& member : value.GetObject()) {
      const std::string name(json::text_of(member.name));
      out.key(name);
      write_wire_form(out, member.value, path.empty() ? name : path + '.' + name);
    }
    out.end_object();
    return;
  }
  const auto number = value.IsString() ? wire_number(path, json::text_of(value)) : std::nullopt;
  if (number) out.value(*number);
  else out.value(value);
}

}  // namespace

const plugin::Connector& ConnectorSettings::of_row(const std::string& type) const {
  const auto* connector = find(type);
  if (connector == nullptr) {
    throw conflict(fmt::format("{} type {} is unavailable: no plugin for it is installed", kind_, printable(type)), "wrong_state");
  }
  return *connector;
}

json::Raw ConnectorSettings::open(const json::Raw& config, const std::optional<Bytes>& sealed) const {
  if (!sealed || sealed->empty()) return object_or_empty(config);
  try {
    return sealer_.open_config(*sealed).use([](std::string_view text) { return object_or_empty(json::raw(text)); });
  } catch (const Error& e) {
    throw conflict(std::string(kUndecipherable), e.code().empty() ? "wrong_state" : e.code());
  }
}

json::Raw ConnectorSettings::filled(const std::string& type, const json::Raw& config, const std::optional<Bytes>& sealed) const {
  const json::Raw full = open(config, sealed);
  const auto* connector = find(type);
  return connector == nullptr ? full : connector->schema().check(full).config;
}

json::Raw ConnectorSettings::accepted(const plugin::Connector& connector, const json::Raw& sent, const json::Raw& stored) const {
  json::Raw full;
  try {
    full = connector.schema().restored(sent, stored);
  } catch (const Error& e) {
    if (e.fields().empty()) throw;
    refuse(e.fields());
  }
  auto checked = connector.schema().check(wire_forms(full));
  if (!checked.errors.empty()) refuse(std::move(checked.errors));
  if (!checked.missing.empty()) return full;
  std::vector<FieldError> faults;
  for (auto& finding : connector.validate(checked.config)) {
    if (finding.severity == plugin::Severity::bad) faults.push_back({finding.path, "refused", finding.text});
  }
  if (!faults.empty()) refuse(std::move(faults));
  return full;
}

ConnectorSettings::Columns ConnectorSettings::columns(const plugin::Connector& connector, const json::Raw& full) const {
  const auto settings = json::parse(full.text);
  if (settings.ObjectEmpty()) return {};
  return {connector.schema().masked(full), sealer_.seal_config(full.text)};
}

ConnectorSettings::Rewrite ConnectorSettings::rewritten(const plugin::Connector& connector, const json::Value& body,
                                                        const json::Raw& config, const std::optional<Bytes>& sealed,
                                                        bool other_type) const {
  const auto sent = sent_config(body);
  const bool in_clear = !sealed && !json::parse(object_or_empty(config).text).ObjectEmpty();
  if (!sent && !other_type && !(in_clear && can_seal())) return {};
  json::Raw stored;
  try {
    stored = open(config, sealed);
  } catch (const Error&) {
    if (!sent || sent->text.find(plugin::kMask) != std::string::npos) throw;
  }
  const json::Raw full = sent || other_type ? accepted(connector, sent.value_or(stored), stored) : stored;
  return {columns(connector, full), changed_settings(stored, full)};
}

json::Raw ConnectorSettings::masked(const std::string& type, const json::Raw& config) const {
  const json::Raw object = object_or_empty(config);
  if (const auto* connector = find(type)) return connector->schema().masked(object);
  json::Writer out;
  mask_by_name(out, json::parse(object.text), false);
  return plugin::Schema().masked(json::Raw{out.take()});  // private keys go whatever their name
}

std::optional<std::vector<ConfigWarning>> ConnectorSettings::warnings(const std::string& type, const json::Raw& config) const {
  const auto* connector = find(type);
  if (connector == nullptr) return std::nullopt;
  const auto checked = connector->schema().check(object_or_empty(config));
  std::vector<ConfigWarning> warnings;
  for (const auto& missing : checked.missing) warnings.push_back({missing.field, missing.message});
  for (const auto& unknown : checked.warnings) {
    if (std::ranges::find(kHostSettings, unknown.field) == kHostSettings.end()) warnings.push_back({unknown.field, unknown.message});
  }
  if (warnings.empty()) return std::nullopt;
  return warnings;
}

json::Raw wire_forms(const json::Raw& config) {
  json::Writer out;
  write_wire_form(out, json::parse(config.text), "");
  return json::Raw{out.take()};
}

std::vector<std::string> changed_settings(const json::Raw& before, const json::Raw& after) {
  const auto old_settings = json::parse(before.text), new_settings = json::parse(after.text);
  std::vector<std::string> names;
  for (const auto& member : new_settings.GetObject()) {
    const auto old = old_settings.FindMember(member.name);
    if (old == old_settings.MemberEnd() || old->value != member.value) names.push_back("config." + std::string(json::text_of(member.name)));
  }
  for (const auto& member : old_settings.GetObject()) {
    if (!new_settings.HasMember(member.name)) names.push_back("config." + std::string(json::text_of(member.name)));
  }
  return names;
}

}  // namespace certctl::service
