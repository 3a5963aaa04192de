#pragma once

#include <optional>
#include <string>

#include "agent/control_plane.hpp"
#include "agent/host_facts.hpp"
#include "agent/identity.hpp"
#include "agent/options.hpp"

namespace certctl::agent {

/// Which identity this agent has, and how it gets one (agent.md §3.2). One thread at a time.
class Registration {
 public:
  Registration(const Options& options, const IdentityStore& store, const Clock& clock);

  /// The id to work with; empty: register first.
  const std::string& agent_id() const { return agent_id_; }
  /// The key to begin with: the configured one, else the stored one.
  Secret first_key() const;
  /// The stored key, when another is configured.
  Secret spare_key() const;
  /// Whether an agent that the control plane does not know can be registered.
  bool is_possible() const { return !options_.api_key.empty() || !options_.bootstrap_token.empty(); }

  enum class Result { registered, retry, refused };
  struct Attempt {
    Result result;
    Answer answer;        ///< retry: why
    std::string problem;  ///< refused: the line to end with
  };
  /// One `POST /api/v1/agents`. Registered: the identity is stored and the control plane uses its key.
  Attempt attempt(ControlPlane& control_plane, const HostFacts& facts);

  /// Replaces the agent's own key when it is 90 days old: the new one is stored before it is used, the old one works
  /// until then. Nothing to do, or no luck: tried again later.
  void rotate_key_if_due(ControlPlane& control_plane);

 private:
  std::string body(const HostFacts& facts) const;
  std::string name(const HostFacts& facts) const;
  Attempt take(ControlPlane& control_plane, Answer answer);
  Attempt conflict(const HostFacts& facts, Answer answer);

  const Options& options_;
  const IdentityStore& store_;
  const Clock& clock_;
  std::optional<Identity> stored_;
  std::string agent_id_;
  bool name_marked_ = false;
  bool looked_again_ = false;
  Time rotation_tried_{};
};

}  // namespace certctl::agent
