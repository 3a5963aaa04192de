#pragma once

#include <functional>

#include "core/http/authenticator.hpp"
#include "core/http/router.hpp"

namespace certctl::api {

/// What the probes and the session routes have to know about the server. The functions are called from any thread.
struct Meta {
  std::function<bool()> database_answers;  ///< a ping, at most two seconds
  std::function<bool()> draining;          ///< the server is about to end
  http::AuthType auth_type = http::AuthType::api_key;
};

/// `/health`, `/ready`, `/api/v1/version`, `/api/v1/auth/info`, `/api/v1/auth/check`.
void add_meta_routes(http::Router& router, Meta meta);

}  // namespace certctl::api
