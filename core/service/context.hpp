#pragma once

#include <chrono>
#include <string>

#include "core/domain/enums.hpp"

namespace certctl::service {

/// Who asks, as the core believes it.
struct Actor {
  std::string name;  ///< the name in audit rows
  domain::ActorType type = domain::ActorType::User;
  bool admin = false;
  std::string agent_id;         ///< set when the credential is an agent's own key
  bool sees_secrets = false;    ///< may be handed a target's secret settings (agent sheet §5)
};

/// The API call that a service function runs under. Its audit event commits with the change, so the function's
/// transaction writes it; `recorded` tells the HTTP chain that it is done.
struct ApiCall {
  std::string method;
  std::string path;
  std::string body_hash;  ///< first 16 hex characters of the body's SHA-256; empty without body
  int success_status = 200;
  std::chrono::steady_clock::time_point started;
  bool recorded = false;
};

struct Context {
  Actor actor;
  std::string request_id;
  ApiCall* call = nullptr;  ///< nullptr: not an API call (a loop, a worker)
};

/// The context of the system's own loops and workers.
inline Context system_context() { return {Actor{"system", domain::ActorType::System, false, {}, false}, {}, nullptr}; }

}  // namespace certctl::service
