#pragma once

#include "core/base/json.hpp"
#include "core/domain/target.hpp"
#include "core/service/connector_settings.hpp"
#include "core/service/mutation.hpp"
#include "core/store/page.hpp"

namespace certctl::service {

/// A target as clients see it: secrets masked, with what is wrong with its settings.
struct TargetView : domain::Target {
  std::optional<std::vector<ConfigWarning>> config_warnings;
  domain::OptionalText state;  ///< `unavailable`: its plugin is not installed
};
BOOST_DESCRIBE_STRUCT(TargetView, (domain::Target), (config_warnings, state))

/// Places on agents where certificates go (targets sheet §1).
class Targets {
 public:
  /// `plugins` and `sealer` outlive this.
  Targets(Ground ground, const plugin::Host& plugins, const crypto::Sealer& sealer)
      : ground_(ground), settings_("target", plugins, sealer) {}

  /// 400 for name, type, agent or settings, 409 when id or the name on that agent is taken.
  TargetView create(const Context& context, const json::Value& body);
  TargetView get(const std::string& id);  ///< 404 `Target not found`
  /// Absent keys keep their value; so does `********` anywhere in `config`.
  TargetView update(const Context& context, const std::string& id, const json::Value& body);
  /// Also ends its mappings and the deployments that nobody has begun.
  void remove(const Context& context, const std::string& id);
  store::Page<TargetView> list(const store::PageRequest& page);

  struct TestResult {
    bool success = false;
    std::string message;
  };
  /// Whether the target's agent is there to deploy. Never throws for what is wrong with the target.
  TestResult test(const Context& context, const std::string& id);

  /// The settings as an agent gets them: defaults filled in (but no commands: those default on the agent, which knows
  /// what is installed), every value in upstream's JSON type. Without `secrets` they are masked.
  json::Raw work_config(const domain::Target& target, bool secrets) const;

 private:
  TargetView view(domain::Target target) const;
  bool try_update(const Context& context, const std::string& id, const json::Value& body);
  void check_agent(const std::string& agent_id);

  Ground ground_;
  const ConnectorSettings settings_;
};

}  // namespace certctl::service
