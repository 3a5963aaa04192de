#include "message.hpp"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "plugins/common/openssl.hpp"

namespace certctl::webhook {
namespace {

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

constexpr std::array<std::string_view, 6> kAlerts = {"ExpirationWarning", "CertificateExpired", "HealthDown",
                                                     "HealthDegraded",    "CertMismatch",       "HealthRecovered"};

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  return out;
}

void member(Writer& writer, const char* name, std::string_view text) {
  writer.Key(name);
  writer.String(text.data(), rapidjson::SizeType(text.size()));
}
void member_if(Writer& writer, const char* name, std::string_view text) {
  if (!text.empty()) member(writer, name, text);
}

/// `null` when there is nothing to tell, as upstream sends it.
void write_metadata(Writer& writer, const Call& call) {
  const Pairs fields = call.all(key::field);
  const Pairs links = call.all(key::link);
  const std::string_view incident = call.get(key::incident_key);
  const std::string_view action = call.get(key::action);
  writer.Key("metadata");
  if (fields.empty() && links.empty() && incident.empty() && action.empty()) {
    writer.Null();
    return;
  }
  writer.StartObject();
  for (const auto& [name, value] : fields) {
    if (name != "incident_key" && name != "action" && name != "link") member(writer, name.c_str(), value);
  }
  member_if(writer, "incident_key", incident);
  member_if(writer, "action", action);
  if (!links.empty()) member(writer, "link", links.front().second);
  writer.EndObject();
}

}  // namespace

std::string format_time(std::int64_t ms) {
  const std::time_t seconds = ms / 1000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::string time(text);
  if (ms % 1000 != 0) {
    const std::string digits = std::to_string(1000 + ms % 1000).substr(1);
    time += "." + digits;
  }
  return time + "Z";
}

std::string make_body(const Call& call) {
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  const std::string_view event = call.get(key::event);
  const std::string created = format_time(call.get(key::created_at).value_or(std::int64_t(std::time(nullptr)) * 1000));
  const bool alert = std::ranges::find(kAlerts, event) != kAlerts.end();
  writer.StartObject();
  member(writer, "type", alert ? "alert" : "event");
  member(writer, alert ? "alert_id" : "event_id", call.get(key::notification_id));
  member(writer, alert ? "severity" : "event_type", alert ? call.get(key::severity) : event);
  member(writer, "subject", call.get(key::subject));
  member(writer, alert ? "message" : "body", call.get(key::body));
  member(writer, "recipient", call.get(key::recipient));
  member(writer, "created_at", created);
  if (!alert) member_if(writer, "certificate_id", call.get(key::certificate_id));
  write_metadata(writer, call);
  writer.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

std::string x_signature(std::string_view secret, std::string_view body) {
  return "sha256=" + common::to_hex(common::hmac_sha256(secret, body));
}

std::string webhook_signature(std::string_view secret, std::string_view id, std::string_view timestamp,
                              std::string_view body) {
  constexpr std::string_view kPrefix = "whsec_";
  std::string key(secret);
  if (secret.starts_with(kPrefix)) {
    const std::string decoded = common::from_base64(secret.substr(kPrefix.size()));
    if (!decoded.empty()) key = decoded;
  }
  std::string signed_text(id);
  signed_text.append(".").append(timestamp).append(".").append(body);
  return "v1," + common::to_base64(common::hmac_sha256(key, signed_text));
}

std::string header_fault(std::string_view name, std::string_view value) {
  constexpr std::string_view kToken = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";
  const std::string plain = lower(name);
  if (plain.empty() || plain.find_first_not_of(kToken) != std::string::npos) return "is not a header name";
  for (const std::string_view own : {"host", "content-length", "content-type", "transfer-encoding", "connection"}) {
    if (plain == own) return "is set by certctl";
  }
  for (const std::string_view own : {"x-signature", "webhook-", "ce-"}) {
    if (plain.starts_with(own)) return "is set by certctl";
  }
  if (std::ranges::any_of(value, [](char c) { return (c >= 0 && c < ' ' && c != '\t') || c == 0x7f; })) {
    return "contains disallowed control character (CR, LF, or NUL)";
  }
  return {};
}

std::string url_fault(std::string_view url) {
  const auto colon = url.find("://");
  const std::string scheme = lower(url.substr(0, colon == std::string_view::npos ? url.find(':') : colon));
  if (scheme != "http" && scheme != "https") {
    return "url scheme \"" + (colon == std::string_view::npos ? std::string() : scheme) +
           "\" is not allowed; only http and https are permitted";
  }
  const auto rest = url.substr(colon == std::string_view::npos ? url.size() : colon + 3);
  const auto authority = rest.substr(0, rest.find_first_of("/?#"));
  const auto host = authority.substr(authority.find('@') == std::string_view::npos ? 0 : authority.rfind('@') + 1);
  if (host.empty() || host.starts_with(':')) return "url must include a host";
  return {};
}

std::string shown_url(std::string_view url) {
  const auto colon = url.find("://");
  if (colon == std::string_view::npos) return "(no url)";
  const auto rest = url.substr(colon + 3);
  const auto authority = rest.substr(0, rest.find_first_of("/?#"));
  const auto at = authority.rfind('@');
  return std::string(url.substr(0, colon + 3)) +
         std::string(authority.substr(at == std::string_view::npos ? 0 : at + 1));
}

}  // namespace certctl::webhook
