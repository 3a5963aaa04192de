#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

/// The special forms of a target's settings (targets.md §1.4).
namespace certctl::common {

/// `"0640"`, `"0o640"` are octal; without a leading zero it is the decimal value of the bits (416), as upstream writes
/// modes. Throws Error(invalid_config) `cert_file_mode 644 is not an octal mode; write "0644"`.
mode_t parse_mode(std::string_view name, std::string_view text);

/// Integer nanoseconds, or `300ms`, `10s`, `1m30s`, `2h`. Throws Error(invalid_config) naming the setting.
std::chrono::milliseconds parse_duration(std::string_view name, std::string_view text);

struct Endpoint {
  std::string host;  ///< name or address, without brackets
  std::uint16_t port = 0;

  std::string text() const;  ///< `host:port`, `[v6]:port`
};
/// `host:port`, `[v6]:port`, `host`. nullopt: malformed.
std::optional<Endpoint> parse_endpoint(std::string_view text, std::uint16_t default_port);
bool is_address(std::string_view host);

/// Why a path cannot be a destination: empty, relative, NUL, `..`; empty: it can.
std::string path_fault(std::string_view path);

}  // namespace certctl::common
