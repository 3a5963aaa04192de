#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/json.hpp"
#include "core/base/text.hpp"
#include "core/crypto/sealer.hpp"
#include "core/domain/described.hpp"
#include "core/plugin/host.hpp"

namespace certctl::service {

/// Something about stored settings that an operator should know: a missing or an unknown key.
struct ConfigWarning {
  std::string field;  ///< JSON pointer into `config`
  std::string message;
};
BOOST_DESCRIBE_STRUCT(ConfigWarning, (), (field, message))

/// The settings of one kind of connector on their way between clients, rows and plugins: checked against the plugin's
/// schema, secrets masked in what is shown, sealed whole in what is stored (issuers sheet §2.2, targets sheet §1.3).
class ConnectorSettings {
 public:
  /// `kind` is `issuer` or `target`. The references outlive this.
  ConnectorSettings(std::string kind, const plugin::Host& plugins, const crypto::Sealer& sealer)
      : kind_(std::move(kind)), plugins_(plugins), sealer_(sealer) {}

  /// nullptr: no plugin of that type (or alias) is installed.
  const plugin::Connector* find(const std::string& type) const { return plugins_.find(kind_, type); }
  /// For a type that a client chose: 400 `unsupported <kind> type: <type as given>`.
  const plugin::Connector& chosen(const std::string& type) const { return plugins_.get(kind_, type); }
  /// For a row that is there: 409 when its plugin is not installed.
  const plugin::Connector& of_row(const std::string& type) const;
  std::vector<const plugin::Connector*> connectors() const { return plugins_.connectors(kind_); }

  /// The settings as the client gave them, from a row's two columns; a row without sealed ones (put in by SQL) holds
  /// them in clear. Throws Error(conflict) `stored configuration cannot be decrypted`.
  json::Raw open(const json::Raw& config, const std::optional<Bytes>& sealed) const;
  /// open() in the schema's own types with its defaults filled in, as plugins see it.
  json::Raw filled(const std::string& type, const json::Raw& config, const std::optional<Bytes>& sealed) const;

  /// What a client sent, with each `********` replaced by what `stored` has there. Throws Error(invalid) with the field
  /// list for what schema or plugin refuse; missing keys are no fault here, see warnings().
  json::Raw accepted(const plugin::Connector& connector, const json::Raw& sent, const json::Raw& stored) const;

  struct Columns {
    json::Raw config;             ///< secrets masked
    std::optional<Bytes> sealed;  ///< of the whole; nullopt for empty settings
  };
  /// Throws Error(internal) with code `sealing_key_missing` when there is something to seal and no passphrase.
  Columns columns(const plugin::Connector& connector, const json::Raw& full) const;
  bool can_seal() const { return sealer_.has_key(); }

  struct Rewrite {
    std::optional<Columns> columns;    ///< nullopt: the row's stay
    std::vector<std::string> changed;  ///< `config.<name>`, never a value
  };
  /// What a PUT makes of a row's settings: `config` of `body` when it is there (null counts as absent), else those that
  /// stand there. With `other_type` they are checked anew; settings in clear are sealed on this occasion. Throws as
  /// open(), accepted() and columns() do; settings that cannot be decrypted can be replaced, but not merged with.
  Rewrite rewritten(const plugin::Connector& connector, const json::Value& body, const json::Raw& config,
                    const std::optional<Bytes>& sealed, bool other_type) const;

  /// What may be shown. Without a plugin that says which settings are secret, their names decide.
  json::Raw masked(const std::string& type, const json::Raw& config) const;
  /// nullopt: nothing to say.
  std::optional<std::vector<ConfigWarning>> warnings(const std::string& type, const json::Raw& config) const;

 private:
  const std::string kind_;
  const plugin::Host& plugins_;
  const crypto::Sealer& sealer_;
};

/// Settings in the value forms of upstream's agents (targets sheet §1.4): modes as the number of their bits, durations
/// as nanoseconds, seconds as a number. What has another form stays as it is.
json::Raw wire_forms(const json::Raw& config);

/// Names of the top-level settings that differ, as `config.<name>`; never a value.
std::vector<std::string> changed_settings(const json::Raw& before, const json::Raw& after);

}  // namespace certctl::service
