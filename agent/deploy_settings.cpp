#include "agent/deploy_settings.hpp"

#include <rapidjson/pointer.h>

#include "core/base/time.hpp"

namespace certctl::agent {
namespace {

class Filler {
 public:
  Filler(json::Document& config, const json::Document& schema) : config_(config), schema_(schema) {}

  template <typename T>
  void fill(std::string_view place_in_schema, std::string_view pointer, const T& value) {
    if (json::at(schema_, place_in_schema) == nullptr || json::at(config_, pointer) != nullptr) return;
    rapidjson::Pointer(pointer.data(), pointer.size()).Set(config_, value);
  }

 private:
  json::Document& config_;
  const json::Document& schema_;
};

DeployDefaults from_server(const json::Raw& text) {
  const json::Document document = json::parse(text.text);
  DeployDefaults out;
  if (const auto* found = json::find(document, "verify_deployment"); found != nullptr && found->IsBool())
    out.verify = found->GetBool();
  out.verify_delay = parse_duration(json::text_or(document, "verify_delay"));
  out.verify_timeout = parse_duration(json::text_or(document, "verify_timeout"));
  if (const auto* found = json::find(document, "backup_retention"); found != nullptr && found->IsInt64())
    out.backup_retention = found->GetInt64();
  return out;
}

}  // namespace

json::Raw with_defaults(const json::Raw& config, const plugin::Schema& schema, const DeployDefaults& environment,
                        const json::Raw& server_defaults) {
  json::Document filled = json::parse(config.text);
  const json::Document form = json::parse(schema.text());
  Filler filler(filled, form);
  for (const DeployDefaults& source : {environment, from_server(server_defaults)}) {
    const std::string verify = "/properties/post_deploy_verify/properties";
    if (source.verify) filler.fill(verify + "/enabled", "/post_deploy_verify/enabled", *source.verify);
    if (source.verify_delay)
      filler.fill(verify + "/delay", "/post_deploy_verify/delay", format_duration(*source.verify_delay));
    if (source.verify_timeout)
      filler.fill(verify + "/timeout", "/post_deploy_verify/timeout", format_duration(*source.verify_timeout));
    if (source.backup_retention)
      filler.fill("/properties/backup_retention", "/backup_retention", *source.backup_retention);
  }
  return json::raw(filled);
}

}  // namespace certctl::agent
