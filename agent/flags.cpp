#include "agent/flags.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace certctl::agent {
namespace {

/// strconv.ParseBool.
std::optional<bool> parse_go_boolean(std::string_view text) {
  for (const auto yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == yes) return true;
  }
  for (const auto no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

const Flag* find(std::span<const Flag> table, std::string_view name) {
  const auto found = std::find_if(table.begin(), table.end(), [&](const Flag& flag) { return flag.name == name; });
  return found == table.end() ? nullptr : &*found;
}

}  // namespace

ParsedFlags parse_flags(std::span<const Flag> table, std::span<const std::string> arguments) {
  ParsedFlags out;
  const auto refuse = [&](std::string why) {
    out.problem = std::move(why);
    return out;
  };
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string_view argument = arguments[i];
    if (argument == "--" && i + 1 == arguments.size()) return out;
    if (argument == "--") return refuse(fmt::format("unexpected argument: {}", arguments[i + 1]));
    if (argument.size() < 2 || argument[0] != '-') return refuse(fmt::format("unexpected argument: {}", argument));
    const std::string_view whole = argument;
    argument.remove_prefix(argument.starts_with("--") ? 2 : 1);
    if (argument.empty() || argument[0] == '-' || argument[0] == '=')
      return refuse(fmt::format("bad flag syntax: {}", whole));

    const auto equals = argument.find('=');
    const std::string name(argument.substr(0, equals));
    std::optional<std::string> value;
    if (equals != std::string_view::npos) value = std::string(argument.substr(equals + 1));
    const Flag* flag = find(table, name);
    if (flag == nullptr) {
      if (name == "h" || name == "help") {
        out.help = true;
        return out;
      }
      return refuse(fmt::format("flag provided but not defined: -{}", name));
    }
    if (flag->boolean) {
      const auto parsed = parse_go_boolean(value.value_or("true"));
      if (!parsed) return refuse(fmt::format("invalid boolean value \"{}\" for -{}: parse error", *value, name));
      out.values[name] = *parsed ? "true" : "false";
      continue;
    }
    if (!value) {
      if (++i == arguments.size()) return refuse(fmt::format("flag needs an argument: -{}", name));
      value = arguments[i];
    }
    out.values[name] = *value;
  }
  return out;
}

std::string usage(std::string_view program, std::span<const Flag> table) {
  std::vector<const Flag*> sorted;
  for (const auto& flag : table) sorted.push_back(&flag);
  std::sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return std::string_view(a->name) < b->name; });
  std::string out = fmt::format("Usage of {}:\n", program);
  for (const auto* flag : sorted) {
    out += fmt::format("  -{}{}{}\n    \t{}\n", flag->name, flag->boolean ? "" : " ",
                       flag->boolean ? "" : flag->value_name, flag->help);
  }
  return out;
}

}  // namespace certctl::agent
