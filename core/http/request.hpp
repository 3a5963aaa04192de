#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/text.hpp"
#include "core/http/address.hpp"
#include "core/http/headers.hpp"
#include "core/http/uri.hpp"

namespace certctl::http {

struct Route;

/// Who calls. `name` is the audit actor.
struct Principal {
  enum class Kind { anonymous, user, agent, bootstrap };
  Kind kind = Kind::anonymous;
  std::string name = "anonymous";  ///< key name, agent id, `bootstrap`
  bool admin = false;
  bool enroll_only = false;  ///< a key that may only make enrolment tokens

  bool known() const { return kind != Kind::anonymous; }
  bool is_agent() const { return kind == Kind::agent; }
};

/// One request, complete when a handler sees it. Owned by one exchange; not shared between threads at one time.
struct Request {
  std::string method;  ///< upper case as sent; HEAD stays HEAD though it runs a GET route
  std::string path;    ///< raw path without the query; checked by split_path()
  std::string raw_query;
  Query query;
  Headers headers;
  std::string body;
  std::vector<std::string> segments;                           ///< decoded path segments
  std::map<std::string, std::string, std::less<>> parameters;  ///< of the route's pattern
  const Route* route = nullptr;  ///< lives as long as the router; nullptr: no such endpoint

  std::string request_id;  ///< ours (the listener makes it), the X-Request-ID of the answer
  IpAddress remote;        ///< the client: the peer, or what a trusted proxy says
  IpAddress peer;          ///< the other end of the connection
  bool from_trusted_proxy = false;
  Principal principal;
  std::string body_hash;  ///< first 16 hex digits of SHA-256 over the body; empty without a body
  std::chrono::steady_clock::time_point received{};
  std::uint64_t body_limit = 0;  ///< bytes; set by the application before the body is read

  /// A handler whose transaction holds this call's audit event sets it, so that the chain writes no second one.
  bool audited = false;
  bool authenticated = false;  ///< the credential check was passed; with AuthType::none by nobody in particular
  Headers answer_headers;      ///< fields that the answer will carry whoever makes it (`RateLimit-*`)

  /// A parameter of the route's pattern; asking for one that the pattern lacks is a defect (std::logic_error).
  const std::string& parameter(std::string_view name) const;
  std::string_view actor() const { return principal.name; }
};

}  // namespace certctl::http
