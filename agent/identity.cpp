#include "agent/identity.hpp"

#include "agent/files.hpp"
#include "core/base/error.hpp"
#include "core/base/id.hpp"
#include "core/base/json.hpp"
#include "core/base/time.hpp"

namespace certctl::agent {

bool IdentityStore::stored() const {
  std::error_code failure;
  return std::filesystem::exists(path_, failure);
}

std::optional<Identity> IdentityStore::load() const {
  auto text = read_file(path_);
  if (!text) return std::nullopt;
  try {
    const json::Document document = json::parse(*text);
    wipe(*text);
    Identity out;
    out.server = json::text_or(document, "server");
    out.agent_id = json::text_or(document, "agent_id");
    out.requested_id = json::text_or(document, "requested_id");
    out.api_key = Secret(json::text_or(document, "api_key"));
    out.registered_at = parse_time(json::text_or(document, "registered_at")).value_or(Time{});
    out.key_since = parse_time(json::text_or(document, "key_since")).value_or(out.registered_at);
    if (out.server.empty() || !is_valid_id(out.agent_id)) throw invalid("no server or no agent id in it");
    return out;
  } catch (const Error& e) {
    set_aside(path_, e.what());
    return std::nullopt;
  }
}

void IdentityStore::save(const Identity& identity) const {
  json::Writer out;
  out.begin_object()
      .field("server", identity.server)
      .field("agent_id", identity.agent_id)
      .field("requested_id", identity.requested_id)
      .key("api_key");
  identity.api_key.use([&](std::string_view key) { out.value(key); });
  out.field("registered_at", identity.registered_at).field("key_since", identity.key_since).end_object();
  std::string text = out.take();
  write_durably(path_, text);
  wipe(text);
}

bool is_valid_agent_id(std::string_view id) {
  for (const std::string_view reserved : {"server-scanner", "cloud-aws-sm", "cloud-azure-kv", "cloud-gcp-sm"}) {
    if (id == reserved) return false;
  }
  return is_valid_id(id) && id.find_first_of(":@") == std::string_view::npos;
}

}  // namespace certctl::agent
