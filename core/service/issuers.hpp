#pragma once

#include <functional>

#include "core/base/json.hpp"
#include "core/service/issuer_registry.hpp"
#include "core/service/mutation.hpp"
#include "core/service/own_cas.hpp"
#include "core/store/page.hpp"

namespace certctl::service {

/// An issuer as clients see it: secrets masked, with what is wrong with its settings.
struct IssuerView : domain::Issuer {
  std::optional<std::vector<ConfigWarning>> config_warnings;
  domain::OptionalText state;  ///< `unavailable`: its plugin is not installed
};
BOOST_DESCRIBE_STRUCT(IssuerView, (domain::Issuer), (config_warnings, state))

/// Configured connections to CAs (issuers sheet §2).
class Issuers {
 public:
  /// `registry` and `cas` outlive this.
  Issuers(Ground ground, IssuerRegistry& registry, OwnCas& cas) : ground_(ground), registry_(registry), cas_(cas) {}

  /// 400 for name, type or settings, 409 when name or id is taken. Always enabled.
  IssuerView create(const Context& context, const json::Value& body);
  IssuerView get(const std::string& id);  ///< 404 `Issuer not found`
  /// Absent keys keep their value; so does `********` anywhere in `config`. 409: another type while certificates use it.
  IssuerView update(const Context& context, const std::string& id, const json::Value& body);
  /// 409 with counts while anything depends on it.
  void remove(const Context& context, const std::string& id);
  store::Page<IssuerView> list(const store::PageRequest& page);

  struct Check {
    std::string name;  ///< the setting it is about, or `connection`
    bool ok = true;
    std::string message;
  };
  struct TestReport {
    bool success = false;
    std::string kind;    ///< of the failure: `auth`, `invalid_config`, `transient`, …
    std::string detail;  ///< the connector's own sentence
    std::vector<Check> checks;
    std::chrono::milliseconds latency{0};
    std::optional<Time> ca_not_after;
  };
  /// Reaches the CA with the stored settings. Throws only 404; all else is in the report.
  TestReport test(const Context& context, const std::string& id);

  /// At start, in an empty table: `iss-local`, an own CA, with the settings that its schema takes from the environment.
  /// `variable` answers "" for what is not set. False: there are issuers, or no plugin for an own CA is installed.
  bool seed(const std::function<std::string(const std::string& name)>& variable);

 private:
  IssuerView view(domain::Issuer issuer) const;
  bool try_update(const Context& context, const std::string& id, const json::Value& body);
  TestReport run_test(const domain::Issuer& issuer);
  const ConnectorSettings& settings() const { return registry_.settings(); }

  Ground ground_;
  IssuerRegistry& registry_;
  OwnCas& cas_;
};

}  // namespace certctl::service
