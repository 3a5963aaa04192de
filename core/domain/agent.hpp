#pragma once

#include "core/domain/described.hpp"
#include "core/domain/enums.hpp"

namespace certctl::domain {

/// A host that generates keys and deploys. The key's hash never leaves the row.
struct Agent {
  std::string id;
  std::string name;
  std::string hostname;
  Word<AgentStatus> status{AgentStatus::Offline};
  std::optional<Time> last_heartbeat_at;
  Time registered_at{};
  std::string os;
  std::string architecture;
  std::string ip_address;
  std::string version;
  std::optional<Time> retired_at;
  OptionalText retired_reason;
  std::vector<std::string> capabilities;
  json::Raw plugins{"[]"};
  std::optional<std::int32_t> clock_skew_ms;
  std::int32_t pending_reports = 0;
  std::optional<Time> started_at;
};
BOOST_DESCRIBE_STRUCT(Agent, (),
                      (id, name, hostname, status, last_heartbeat_at, registered_at, os, architecture, ip_address, version,
                       retired_at, retired_reason, capabilities, plugins, clock_skew_ms, pending_reports, started_at))

}  // namespace certctl::domain
