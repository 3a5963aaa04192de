#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/clock.hpp"
#include "core/base/secret.hpp"

namespace certctl::agent {

/// Who this agent is to one control plane.
struct Identity {
  std::string server;
  std::string agent_id;
  std::string requested_id;  ///< what was asked for at registration; the server may have given another
  Secret api_key;            ///< the agent's own; empty: the configured key is used (upstream's servers give none)
  Time registered_at{};
  Time key_since{};  ///< when the key was given; it is replaced after a while
};

/// `<state_dir>/identity.json`, 0600. One process, one thread at a time.
class IdentityStore {
 public:
  explicit IdentityStore(const std::filesystem::path& state_dir) : path_(state_dir / "identity.json") {}

  bool stored() const;
  /// A file that does not parse is moved aside: nullopt.
  std::optional<Identity> load() const;
  /// Durable on return: it is written before the key in it is used.
  void save(const Identity& identity) const;

 private:
  std::filesystem::path path_;
};

/// The pattern of ids, without `:` and `@` (the id names files), and not one of the reserved ones.
bool is_valid_agent_id(std::string_view id);

}  // namespace certctl::agent
