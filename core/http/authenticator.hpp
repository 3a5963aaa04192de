#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>

#include "core/base/clock.hpp"
#include "core/base/secret.hpp"
#include "core/http/api_keys.hpp"
#include "core/http/request.hpp"
#include "core/http/router.hpp"

namespace certctl::http {

/// A 401. `text` is both `error` and `message` of the answer unless `envelope`, which puts the reason phrase into
/// `error`.
struct AuthFailure {
  std::string text;
  std::string reason;  ///< for audit and metrics: `missing`, `malformed`, `unknown_key`, `bootstrap`, `agent_mismatch`
  bool envelope = false;
};

/// Request → who is it. May block (an agent's key is looked up in the database). Throws Error(forbidden) for a valid
/// credential at the wrong place, Error(gone) for a retired agent.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  virtual std::variant<Principal, AuthFailure> authenticate(const Request& request, Auth required) = 0;
};

/// What an agent's key leads to; `key_hash` of the look-up is lower-case hex SHA-256, as stored.
struct AgentIdentity {
  std::string id;
  bool retired = false;
};
using AgentLookup = std::function<std::optional<AgentIdentity>(const std::string& key_hash)>;

enum class AgentMode {
  shared,  ///< any API key may act as any agent (upstream's rule); an agent's key only for itself
  bound,   ///< agent routes take the agent's own key, and an admin's GET
};

/// Who may call without a key at all.
enum class AuthType { api_key, none };

struct KeyAuthenticatorOptions {
  AuthType type = AuthType::api_key;
  AgentMode agents = AgentMode::shared;
  Secret bootstrap_token;  ///< empty: registration is open to any API key
};

/// The check of security.md §3.3 and §4.
class KeyAuthenticator final : public Authenticator {
 public:
  KeyAuthenticator(KeyAuthenticatorOptions options, ApiKeys keys, AgentLookup agents, const Clock& clock);

  std::variant<Principal, AuthFailure> authenticate(const Request& request, Auth required) override;

  /// Swaps the whole set; running requests keep what they began with.
  void replace_keys(ApiKeys keys);
  std::shared_ptr<const ApiKeys> keys() const;

 private:
  std::variant<Principal, AuthFailure> registration(const Request& request, std::string_view credential) const;
  std::optional<Principal> agent(std::string_view credential) const;
  void check_place(const Request& request, Auth required, const Principal& principal) const;

  KeyAuthenticatorOptions options_;
  std::optional<Digest> bootstrap_;
  mutable std::mutex mutex_;
  std::shared_ptr<const ApiKeys> keys_;
  AgentLookup agents_;
  const Clock& clock_;
};

}  // namespace certctl::http
