#pragma once

#include <functional>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/secret.hpp"

/// One table declares each setting of a program once: from it come reading, validation, help and the reference page.
namespace certctl::config {

enum class Type { text, secret, boolean, integer, decimal, duration, list, choice };

/// What SIGHUP does with a change.
enum class Reload { restart, live };

struct Setting {
  const char* key;       ///< environment spelling: `CERTCTL_RATE_LIMIT_RPS`; a file also takes `rate_limit_rps`
  Type type;
  const char* fallback;  ///< textual default
  const char* section;
  const char* help;
  Reload reload = Reload::restart;
  double least = -std::numeric_limits<double>::infinity();  ///< integers and decimals as they are, durations in seconds
  double most = std::numeric_limits<double>::infinity();
  const char* choices = "";  ///< `a|b|c`
  const char* refusal = "";  ///< upstream's stable message for a bad value; `{}` stands for the value
};

/// Where one raw value came from; `origin` is `environment`, `file:line`, `--set` or `default`.
struct Source {
  std::string value;
  std::string origin;
};

/// Raw values by environment spelling. Later merge() calls win.
class Layers {
 public:
  /// `KEY=value` or `key = value` lines, `#` comments; either spelling. Adds one problem for each bad line and
  /// duplicate or unknown key.
  void add_file(const std::string& path, std::span<const Setting> table);
  void add_environment(char** environment, std::span<const Setting> table);
  void add(std::string_view key, std::string value, std::string origin);

  const std::map<std::string, Source, std::less<>>& values() const { return values_; }
  const std::vector<std::string>& problems() const { return problems_; }
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  std::map<std::string, Source, std::less<>> values_;
  std::vector<std::string> problems_;
  std::vector<std::string> warnings_;
};

/// Checked values. Asking for a key that the table does not declare, or as another type, is a defect and throws
/// std::logic_error.
class Values {
 public:
  Values() = default;
  /// Throws Error(invalid) that lists every problem, one a line, never the value of a secret.
  Values(std::span<const Setting> table, const Layers& layers);

  const std::string& text(std::string_view key) const;
  const Secret& secret(std::string_view key) const;
  bool flag(std::string_view key) const;
  std::int64_t integer(std::string_view key) const;
  double decimal(std::string_view key) const;
  Duration duration(std::string_view key) const;
  const std::vector<std::string>& list(std::string_view key) const;
  /// Whether somebody set it, i.e. it does not stand at its default.
  bool given(std::string_view key) const;
  const std::string& origin(std::string_view key) const;

  /// `KEY=value  # origin` lines; secrets as (set) or (unset).
  std::string print(std::span<const Setting> table) const;

 private:
  struct Entry;
  const Entry& entry(std::string_view key, Type type) const;
  struct Entry {
    Type type = Type::text;
    std::string text;
    Secret secret;
    bool flag = false;
    std::int64_t integer = 0;
    double decimal = 0;
    Duration duration{};
    std::vector<std::string> list;
    std::string origin;
    bool given = false;
  };
  std::map<std::string, Entry, std::less<>> entries_;
};

/// The settings table as text for `--help-config`, or as a Markdown reference page.
std::string help(std::span<const Setting> table);
std::string markdown(std::span<const Setting> table);

/// Removes the secrets of the table from this process's environment.
void scrub_environment(std::span<const Setting> table);

}  // namespace certctl::config
