#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/http/request.hpp"
#include "core/http/response.hpp"

namespace certctl::http {

/// Runs on a pool thread; may block on the database. Throwing certctl::Error answers with its envelope.
using Handler = std::function<Response(Request&)>;
/// Starts on a pool thread and answers through `reply`, at once or later (Reply::park): a long poll holds no thread.
using AsyncHandler = std::function<void(std::shared_ptr<Request>, Reply)>;

/// What a caller must show.
enum class Auth {
  none,       ///< nothing; protocol routes check for themselves
  bearer,     ///< an API key
  agent,      ///< an agent's own key, or a user key by the agent mode
  bootstrap,  ///< the agent bootstrap token or an API key: agent registration
};

struct RouteOptions {
  Auth auth = Auth::bearer;
  bool admin = false;
  std::string admin_message = "Admin access required";
  /// Auth::agent: which path parameter holds the agent id that the caller's key must belong to; empty: the service
  /// checks ownership itself (an agent's own jobs).
  std::string agent_parameter = "id";
  bool enroll = false;            ///< open to keys that may only make enrolment tokens
  int success = 200;              ///< documented status
  std::string area;               ///< `certificates`, `agents`, …
  std::string summary;            ///< one line
  bool audited = true;            ///< false: probes (security.md §9.3)
  bool rate_limited = true;       ///< false: probes, and protocols with limits of their own
  bool public_cors = false;       ///< Access-Control-Allow-Origin: * whatever the origins list says
  bool urgent = false;            ///< own lane in the pool: probes, agents' reports, OCSP
  bool any_id = false;            ///< parameters are not checked with is_valid_id()
  bool any_content_type = false;  ///< multipart and foreign charsets are not refused
  std::uint64_t body_limit = 0;   ///< 0: the listener's
};

struct Route {
  std::string method;
  std::string pattern;  ///< `/api/v1/certificates/{id}`; a last `{name...}` takes the rest of the path, not decoded
  RouteOptions options;
  std::variant<Handler, AsyncHandler> handler;
  std::vector<std::string> parameter_names;
};

/// Patterns to routes. Literal segments win over parameters. Built before the server starts, read-only afterwards.
class Router {
 public:
  Router();
  ~Router();
  Router(Router&&) noexcept;
  Router& operator=(Router&&) noexcept;

  /// Throws std::logic_error: a malformed pattern, or the same method and pattern twice.
  void add(std::string_view method, std::string_view pattern, RouteOptions options, Handler handler);
  void add_async(std::string_view method, std::string_view pattern, RouteOptions options, AsyncHandler handler);

  struct Match {
    const Route* route = nullptr;  ///< nullptr: see `path_known` and `bad_path`
    std::vector<std::string> values;
    std::string allow;  ///< `DELETE, GET, HEAD`: for 405 and OPTIONS; empty: unknown path
    bool path_known = false;
    bool bad_path = false;  ///< fails split_path(): 400
    std::vector<std::string> segments;
    Auth least_auth = Auth::bearer;  ///< the mildest check among the routes of a known path
  };
  /// HEAD finds the GET route.
  Match match(std::string_view method, std::string_view raw_path) const;

  /// Every route, sorted by pattern and method.
  std::vector<const Route*> routes() const;

 private:
  struct Node;
  void insert(Route route);
  std::unique_ptr<Node> root_;
  std::vector<std::unique_ptr<Route>> routes_;
};

}  // namespace certctl::http
