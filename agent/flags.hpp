#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace certctl::agent {

/// One command-line flag in the syntax of Go's `flag` package.
struct Flag {
  const char* name;
  bool boolean;
  const char* value_name;  ///< what the usage calls the value: `string`
  const char* help;
};

/// What the command line says. `help` and `problem` exclude each other.
struct ParsedFlags {
  std::map<std::string, std::string, std::less<>> values;  ///< booleans as `true` or `false`
  bool help = false;
  std::string problem;  ///< in Go's words; empty: none. Print it and the usage, exit 2
};

/// `-name value`, `-name=value`, one or two dashes; booleans `-name` or `-name=false`. Positional arguments are
/// refused: they are always a mistake.
ParsedFlags parse_flags(std::span<const Flag> table, std::span<const std::string> arguments);

/// As Go prints it.
std::string usage(std::string_view program, std::span<const Flag> table);

}  // namespace certctl::agent
