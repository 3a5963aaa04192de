#include "core/plugin/manifest.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/base/text.hpp"
#include "core/plugin/fields.hpp"

namespace certctl::plugin {

namespace {

/// Settings that every issuer accepts and the host reads, not the plugin (issuers.md §2.2).
constexpr std::string_view kReservedForIssuers = R"({
  "timeout_seconds": {"type": "integer", "title": "Request timeout", "minimum": 1, "maximum": 3600,
                      "description": "Seconds one request to the CA may take"},
  "ca_bundle": {"type": "string", "title": "CA bundle", "description": "Roots for the CA's TLS: a path or PEM"},
  "proxy_url": {"type": "string", "title": "Proxy", "description": "http(s)://host:port"},
  "poll_max_wait_seconds": {"type": "integer", "title": "Longest wait for an order", "minimum": 0},
  "allow_longer": {"type": "boolean", "title": "Accept longer certificates",
                   "description": "Take a certificate that outlives the cap instead of refusing it"}
})";

std::string required_text(const json::Value& manifest, std::string_view name) {
  std::string value = json::text_or(manifest, name);
  if (value.empty()) throw invalid(fmt::format("manifest: \"{}\" is missing or no text", name));
  return value;
}

std::map<std::string, std::set<std::uint32_t>> parse_honours(const json::Value& manifest) {
  std::map<std::string, std::set<std::uint32_t>> honours;
  const json::Value* table = json::at(manifest, "/honours");
  if (!table) return honours;
  if (!table->IsObject()) throw invalid("manifest: \"honours\" must be an object of lists");
  for (const auto& entry : table->GetObject()) {
    const std::string operation(json::text_of(entry.name));
    for (const std::string& name : json::texts(*table, operation)) {
      // Names of a later minor are of no use to this host, which never sends those keys.
      if (const auto key = key_of(name)) honours[operation].insert(*key);
    }
  }
  return honours;
}

Schema parse_schema(const json::Value& manifest, std::string_view kind) {
  const json::Value* schema = json::at(manifest, "/schema");
  if (!schema) return {};
  if (kind != "issuer") return Schema(*schema);
  json::Document merged;
  merged.CopyFrom(*schema, merged.GetAllocator());
  if (!merged.IsObject()) return Schema(merged);
  auto& allocator = merged.GetAllocator();
  if (!merged.HasMember("properties")) merged.AddMember("properties", json::Value(rapidjson::kObjectType), allocator);
  json::Value& properties = merged["properties"];
  const json::Document reserved = json::parse(kReservedForIssuers);
  for (const auto& entry : reserved.GetObject()) {
    if (!properties.IsObject() || properties.HasMember(entry.name)) continue;
    properties.AddMember(json::Value(entry.name, allocator), json::Value(entry.value, allocator), allocator);
  }
  return Schema(merged);
}

}  // namespace

Manifest Manifest::parse(std::string_view text) {
  const json::Document document = json::parse(text);
  if (!document.IsObject()) throw invalid("manifest: must be a JSON object");
  Manifest manifest;
  manifest.id = required_text(document, "id");
  manifest.kind = required_text(document, "kind");
  manifest.type = required_text(document, "type");
  manifest.name = required_text(document, "name");
  manifest.version = required_text(document, "version");
  manifest.aliases = json::texts(document, "aliases");
  manifest.description = json::text_or(document, "description");
  manifest.vendor = json::text_or(document, "vendor");
  manifest.home_page = json::text_or(document, "home_page");
  manifest.status = json::text_or(document, "status", "alpha");
  manifest.security_posture = json::text_or(document, "security_posture");
  manifest.capabilities = json::texts(document, "capabilities");
  manifest.honours = parse_honours(document);
  if (const json::Value* needs = json::at(document, "/needs")) {
    manifest.services = json::texts(*needs, "services");
    manifest.network = json::texts(*needs, "network");
    manifest.files = json::texts(*needs, "files");
    manifest.processes = json::texts(*needs, "processes");
  }
  manifest.schema = parse_schema(document, manifest.kind);
  manifest.text = text;
  return manifest;
}

bool Manifest::has_capability(std::string_view name) const {
  return std::find(capabilities.begin(), capabilities.end(), name) != capabilities.end();
}

bool Manifest::honours_key(std::string_view operation, std::uint32_t key) const {
  const auto entry = honours.find(std::string(operation));
  return entry != honours.end() && entry->second.contains(key);
}

}  // namespace certctl::plugin
