#pragma once

#include <string>

namespace certctl::agent {

/// What the control plane is told about this machine, in Go's words: agent groups match on them.
struct HostFacts {
  std::string hostname;      ///< `unknown` when the system has none
  std::string os;            ///< `linux`
  std::string architecture;  ///< `amd64`, `arm64`, …
  std::string ip_address;    ///< source address of packets to the control plane; empty: unknown
};

HostFacts host_facts(const std::string& server_url);

/// First 8 hex digits of the SHA-256 over the machine's id: tells machines with one name apart. Empty: no machine id.
std::string machine_mark();

}  // namespace certctl::agent
