#include "core/base/config.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/base/time.hpp"

namespace certctl::config {
namespace {

const Setting* declared(std::span<const Setting> table, std::string_view key) {
  for (const auto& setting : table) {
    if (setting.key == key) return &setting;
  }
  return nullptr;
}

/// `rate_limit_rps` → `CERTCTL_RATE_LIMIT_RPS`; the environment spelling stays.
std::string canonical(std::string_view key) {
  if (key.starts_with("CERTCTL_")) return std::string(key);
  std::string out = "CERTCTL_";
  for (const char c : key) out += char(c >= 'a' && c <= 'z' ? c - ('a' - 'A') : c);
  return out;
}

std::string nearest(std::span<const Setting> table, std::string_view key) {
  std::string best;
  std::size_t least = 8;
  for (const auto& setting : table) {
    const std::string_view name = setting.key;
    std::vector<std::size_t> row(name.size() + 1);
    for (std::size_t j = 0; j <= name.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= key.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j <= name.size(); ++j) {
        const std::size_t above = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (key[i - 1] == name[j - 1] ? 0 : 1)});
        diagonal = above;
      }
    }
    if (row.back() < least) {
      least = row.back();
      best = name;
    }
  }
  return best;
}

/// A secret's file: regular, not readable by others. Returns the content without one trailing line break.
std::string read_secret_file(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) throw std::runtime_error("is not a readable file");
  if ((status.st_mode & 0027) != 0) {
    throw std::runtime_error(fmt::format("has mode {:04o}; chmod 0600 it (0640 at most)", status.st_mode & 07777));
  }
  std::ifstream in(path, std::ios::binary);
  std::string content((std::istreambuf_iterator<char>(in)), {});
  if (!in) throw std::runtime_error("cannot be read");
  if (content.ends_with('\n')) content.pop_back();
  if (content.ends_with('\r')) content.pop_back();
  if (content.empty()) throw std::runtime_error("is empty");
  return content;
}

std::optional<bool> parse_flag(std::string_view text) {
  const std::string word = lower(text);
  for (const auto yes : {"true", "t", "1", "yes", "y", "on"}) {
    if (word == yes) return true;
  }
  for (const auto no : {"false", "f", "0", "no", "n", "off"}) {
    if (word == no) return false;
  }
  return std::nullopt;
}

}  // namespace

void Layers::add(std::string_view key, std::string value, std::string origin) {
  values_[canonical(key)] = {std::move(value), std::move(origin)};
}

void Layers::add_file(const std::string& path, std::span<const Setting> table) {
  std::ifstream in(path);
  if (!in) {
    problems_.push_back(fmt::format("{}: cannot be read", path));
    return;
  }
  std::map<std::string, int> seen;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    const std::string origin = fmt::format("{}:{}", path, number);
    if (line.size() > 64 * 1024 || !is_utf8(line) || line.find('\0') != std::string::npos) {
      problems_.push_back(fmt::format("{}: the line is longer than 64 KiB, holds NUL, or is not UTF-8", origin));
      continue;
    }
    const std::string_view content = trim(line);
    if (content.empty() || content[0] == '#') continue;
    const auto equals = content.find('=');
    if (equals == std::string_view::npos) {
      problems_.push_back(fmt::format("{}: expected `key = value`", origin));
      continue;
    }
    const std::string key = canonical(trim(content.substr(0, equals)));
    std::string_view base = key;
    if (base.ends_with("_FILE") && declared(table, base) == nullptr) base.remove_suffix(5);
    if (declared(table, base) == nullptr) {
      problems_.push_back(fmt::format("{}: unknown setting {}; did you mean {}?", origin, key, nearest(table, key)));
      continue;
    }
    if (const auto [at, fresh] = seen.emplace(key, number); !fresh) {
      problems_.push_back(fmt::format("{}: {} was already set in line {}", origin, key, at->second));
      continue;
    }
    values_[key] = {std::string(trim(content.substr(equals + 1))), origin};
  }
}

void Layers::add_environment(char** environment, std::span<const Setting> table) {
  for (char** at = environment; at != nullptr && *at != nullptr; ++at) {
    const std::string_view pair = *at;
    const auto equals = pair.find('=');
    if (!pair.starts_with("CERTCTL_") || equals == std::string_view::npos) continue;
    const std::string_view key = pair.substr(0, equals), value = pair.substr(equals + 1);
    if (value.empty()) continue;  // the empty string is the same as unset
    std::string_view base = key;
    if (base.ends_with("_FILE") && declared(table, base) == nullptr) base.remove_suffix(5);
    if (declared(table, base) == nullptr) {
      warnings_.push_back(fmt::format("{} is no setting of this program; the nearest is {}", key, nearest(table, key)));
      continue;
    }
    values_[std::string(key)] = {std::string(value), "environment"};
  }
}

Values::Values(std::span<const Setting> table, const Layers& layers) {
  std::vector<std::string> problems = layers.problems();
  const auto& raw = layers.values();
  for (const auto& setting : table) {
    const auto given = raw.find(setting.key);
    const auto in_file = raw.find(fmt::format("{}_FILE", setting.key));
    Entry entry;
    entry.type = setting.type;
    entry.origin = "default";
    std::string value = setting.fallback;
    if (given != raw.end()) {
      value = given->second.value;
      entry.origin = given->second.origin;
      entry.given = true;
    }
    if (setting.type == Type::secret && in_file != raw.end()) {
      if (entry.given) {
        problems.push_back(fmt::format("{0} and {0}_FILE are both set; unset one", setting.key));
      } else {
        try {
          value = read_secret_file(in_file->second.value);
          entry.given = true;
          entry.origin = in_file->second.origin;
        } catch (const std::exception& e) {
          problems.push_back(fmt::format("{}_FILE ({}): {} {}", setting.key, in_file->second.origin, in_file->second.value, e.what()));
        }
      }
    }
    const auto refuse = [&](std::string_view why) {
      const std::string shown = setting.type == Type::secret ? "(secret)" : value;
      if (setting.refusal[0] != '\0') problems.push_back(fmt::format(fmt::runtime(setting.refusal), printable(shown)));
      else problems.push_back(fmt::format("{} ({}): {}", setting.key, entry.origin, why));
    };
    const auto bounded = [&](double number, std::string_view unit) {
      if (number >= setting.least && number <= setting.most) return;
      if (setting.most == std::numeric_limits<double>::infinity()) refuse(fmt::format("must be at least {}{}", setting.least, unit));
      else refuse(fmt::format("must be from {} to {}{}", setting.least, setting.most, unit));
    };
    switch (setting.type) {
      case Type::text: entry.text = value; break;
      case Type::secret: entry.secret = Secret(std::move(value)); break;
      case Type::boolean:
        if (const auto flag = parse_flag(value)) entry.flag = *flag;
        else refuse("expected true or false");
        break;
      case Type::integer:
        if (const auto number = parse_integer(value)) { entry.integer = *number; bounded(double(*number), ""); }
        else refuse("expected a whole number");
        break;
      case Type::decimal:
        if (const auto number = parse_decimal(value)) { entry.decimal = *number; bounded(*number, ""); }
        else refuse("expected a number");
        break;
      case Type::duration:
        if (const auto duration = parse_duration(value)) { entry.duration = *duration; bounded(double(duration->count()) / 1e6, " s"); }
        else if (parse_decimal(value)) refuse(fmt::format("a duration needs a unit; write {}s, {}m or {}h", value, value, value));
        else refuse("expected a duration such as 90s, 5m or 1h30m");
        break;
      case Type::list: entry.list = split_list(value); break;
      case Type::choice: {
        bool known = false;
        for (const auto choice : split(setting.choices, '|')) known = known || choice == value;
        if (known) entry.text = value;
        else refuse(fmt::format("expected one of {}", setting.choices));
        break;
      }
    }
    entries_.emplace(setting.key, std::move(entry));
  }
  if (problems.empty()) return;
  constexpr std::size_t kShown = 20;
  std::string message;
  for (std::size_t i = 0; i < std::min(problems.size(), kShown); ++i) message += (i == 0 ? "" : "\n") + problems[i];
  if (problems.size() > kShown) message += fmt::format("\nand {} more", problems.size() - kShown);
  throw invalid(message);
}

const Values::Entry& Values::entry(std::string_view key, Type type) const {
  const auto found = entries_.find(key);
  if (found == entries_.end()) throw std::logic_error(fmt::format("setting {} is not declared", key));
  if (found->second.type != type) throw std::logic_error(fmt::format("setting {} has another type", key));
  return found->second;
}

const std::string& Values::text(std::string_view key) const {
  const auto found = entries_.find(key);
  if (found != entries_.end() && found->second.type == Type::choice) return found->second.text;
  return entry(key, Type::text).text;
}
const Secret& Values::secret(std::string_view key) const { return entry(key, Type::secret).secret; }
bool Values::flag(std::string_view key) const { return entry(key, Type::boolean).flag; }
std::int64_t Values::integer(std::string_view key) const { return entry(key, Type::integer).integer; }
double Values::decimal(std::string_view key) const { return entry(key, Type::decimal).decimal; }
Duration Values::duration(std::string_view key) const { return entry(key, Type::duration).duration; }
const std::vector<std::string>& Values::list(std::string_view key) const { return entry(key, Type::list).list; }

bool Values::given(std::string_view key) const {
  const auto found = entries_.find(key);
  if (found == entries_.end()) throw std::logic_error(fmt::format("setting {} is not declared", key));
  return found->second.given;
}

const std::string& Values::origin(std::string_view key) const {
  const auto found = entries_.find(key);
  if (found == entries_.end()) throw std::logic_error(fmt::format("setting {} is not declared", key));
  return found->second.origin;
}

std::string Values::print(std::span<const Setting> table) const {
  std::string out;
  for (const auto& setting : table) {
    const auto& found = entries_.at(setting.key);
    std::string shown = found.text;
    switch (setting.type) {
      case Type::secret: shown = found.secret.empty() ? "(unset)" : "(set)"; break;
      case Type::boolean: shown = found.flag ? "true" : "false"; break;
      case Type::integer: shown = fmt::format("{}", found.integer); break;
      case Type::decimal: shown = fmt::format("{}", found.decimal); break;
      case Type::duration: shown = format_duration(found.duration); break;
      case Type::list: shown = join(found.list, ","); break;
      case Type::text:
      case Type::choice: break;
    }
    out += fmt::format("{}={}  # {}\n", setting.key, shown, found.origin);
  }
  return out;
}

std::string help(std::span<const Setting> table) {
  std::string out;
  std::string_view section;
  for (const auto& setting : table) {
    if (section != setting.section) {
      section = setting.section;
      out += fmt::format("\n{}\n", section);
    }
    out += fmt::format("  {}{}{}\n      {}\n", setting.key, setting.fallback[0] == '\0' ? "" : " = ", setting.fallback, setting.help);
  }
  return out;
}

std::string markdown(std::span<const Setting> table) {
  constexpr std::string_view kTypes[] = {"text", "secret", "boolean", "integer", "number", "duration", "list", "choice"};
  std::string out;
  std::string_view section;
  for (const auto& setting : table) {
    if (section != setting.section) {
      section = setting.section;
      out += fmt::format("\n## {}\n\n| Setting | Type | Default | Change | Meaning |\n|---|---|---|---|---|\n", section);
    }
    std::string type(kTypes[std::size_t(setting.type)]);
    if (setting.type == Type::choice) {
      type.clear();
      for (const auto choice : split(setting.choices, '|')) type += fmt::format("{}`{}`", type.empty() ? "" : ", ", choice);
    }
    out += fmt::format("| `{}` | {} | {} | {} | {} |\n", setting.key, type,
                       setting.fallback[0] == '\0' ? std::string("–") : fmt::format("`{}`", setting.fallback),
                       setting.reload == Reload::live ? "SIGHUP" : "restart", setting.help);
  }
  return out;
}

void scrub_environment(std::span<const Setting> table) {
  for (const auto& setting : table) {
    if (setting.type != Type::secret) continue;
    if (char* value = std::getenv(setting.key); value != nullptr) {
      for (char* at = value; *at != '\0'; ++at) *at = 'x';
      ::unsetenv(setting.key);
    }
  }
}

}  // namespace certctl::config
