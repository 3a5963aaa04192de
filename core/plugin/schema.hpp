#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.hpp"
#include "core/base/json.hpp"

namespace certctl::plugin {

/// What a schema has to say about one configuration. `field` is a JSON pointer.
struct SchemaResult {
  /// The configuration in the schema's own types with defaults filled in: `"443"` where a number is due becomes 443,
  /// `""` for a number and null are absent, JSON text where an object is due is parsed. Unknown keys are kept.
  json::Raw config;
  std::vector<FieldError> errors;    ///< wrong type, out of range, not in the list: refuse it
  std::vector<FieldError> missing;   ///< required and absent: may be stored, cannot be used
  std::vector<FieldError> warnings;  ///< unknown keys

  bool usable() const { return errors.empty() && missing.empty(); }
};

/// The JSON Schema of a connector's settings. Understood: type (one or several), properties, required, items,
/// additionalProperties, enum, const, minimum, maximum, exclusiveMinimum, exclusiveMaximum, minLength, maxLength,
/// pattern (RE2, unanchored), minItems, maxItems, uniqueItems, default; title, description, format are for people;
/// x-secret, x-per-request, x-env, x-schema-version are certctl's.
class Schema {
 public:
  /// Throws Error(invalid) that names the place if it is no such schema.
  explicit Schema(const json::Value& schema);
  Schema();  ///< allows every object

  SchemaResult check(const json::Raw& config) const;

  /// JSON pointers of the secret settings, `*` for any element or name: `/token`, `/winrm/winrm_password`, `/secrets/*`.
  const std::vector<std::string>& secret_pointers() const;
  /// Whether a pointer into a configuration is, or lies in, a secret setting.
  bool is_secret(std::string_view pointer) const;
  /// The configuration with every secret that is set replaced by `********`, references (`env:`, `file:`, …) kept.
  json::Raw masked(const json::Raw& config) const;
  /// `sent` with each `********` replaced by what `stored` has there. Throws Error(invalid) naming the field where
  /// nothing is stored.
  json::Raw restored(const json::Raw& sent, const json::Raw& stored) const;

  /// Names of the top-level settings a single request may override.
  const std::vector<std::string>& per_request() const;

  struct Seed {
    std::string pointer;
    std::string variable;  ///< `CERTCTL_CA_CERT_PATH`
  };
  /// Settings that an environment variable seeds at the first start (`x-env`).
  const std::vector<Seed>& seeds() const;

  /// The schema itself, for forms and documentation.
  const std::string& text() const;

 private:
  struct Compiled;
  std::shared_ptr<const Compiled> compiled_;
};

inline constexpr std::string_view kMask = "********";

}  // namespace certctl::plugin
