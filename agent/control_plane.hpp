#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "agent/options.hpp"
#include "core/base/clock.hpp"
#include "core/base/json.hpp"
#include "core/base/secret.hpp"
#include "core/http/client.hpp"

namespace certctl::agent {

/// What an answer means for whoever asked (agent.md §2).
enum class Verdict {
  ok,            ///< 2xx with a JSON body
  unauthorised,  ///< 401
  forbidden,     ///< 403
  not_found,     ///< 404 with certctl's JSON error in the body
  retired,       ///< 410, likewise
  conflict,      ///< 409, likewise
  too_large,     ///< 413, or 400 in upstream's words
  slow_down,     ///< 429, 503
  refused,       ///< another 4xx: for good
  failed,        ///< 5xx, network, TLS, an answer that is none
};
std::string_view to_text(Verdict verdict);

struct Answer {
  Verdict verdict = Verdict::failed;
  int status = 0;  ///< 0: there was no answer
  json::Document body;
  std::string text;     ///< the body as it came, cut to 4 KiB and printable
  std::string problem;  ///< one sentence; empty when ok
  std::optional<std::chrono::seconds> retry_after;
  /// Nothing of the request can have reached the control plane.
  bool nothing_sent = false;

  bool ok() const { return verdict == Verdict::ok; }
  /// Trying the same request again later can help.
  bool is_passing() const {
    return verdict == Verdict::failed || verdict == Verdict::slow_down || verdict == Verdict::unauthorised ||
           verdict == Verdict::forbidden;
  }
};

/// What one request carries beyond method, path and body.
struct RequestOptions {
  std::chrono::milliseconds time_limit{30'000};
  std::optional<http::Cancellation> cancellation;
  const Secret* bearer = nullptr;           ///< instead of the agent's key
  const Secret* bootstrap_token = nullptr;  ///< `X-Certctl-Bootstrap-Token`
};

/// The one origin that the agent talks to. All members from any thread.
class ControlPlane {
 public:
  /// Throws certctl::Error: CA bundle or client certificate unusable.
  ControlPlane(ServerOptions options, Secret api_key, std::string api_key_file, const Clock& clock);

  /// `path` begins below `/api/v1`: `/agents/a1/work?wait=50`. Never throws: whatever happens is a verdict.
  Answer get(std::string_view path, const RequestOptions& options = {});
  Answer post(std::string_view path, std::string body, const RequestOptions& options = {});

  void use_key(Secret api_key);
  Secret key() const;
  /// Reads the key file again; false: there is none, it cannot be read, or it holds the same key.
  bool reread_key();
  /// Reads key file, CA bundle and client certificate again. Throws certctl::Error; the old ones then stay in use.
  void reload();

  /// What the control plane says it can do, from its heartbeat answers.
  bool offers(std::string_view capability) const;
  void set_capabilities(std::set<std::string, std::less<>> capabilities);

  /// Local clock minus the control plane's, by its last `Date`; nullopt: not known.
  std::optional<std::chrono::milliseconds> clock_skew() const;
  const std::string& url() const { return options_.url; }

 private:
  Answer send(std::string_view method, std::string_view path, std::string body, const RequestOptions& options);
  http::ClientRequest request(std::string_view method, std::string_view path, std::string body,
                              const RequestOptions& options) const;
  void note_date(const http::ClientResponse& response);
  std::shared_ptr<http::Client> client() const;

  const ServerOptions options_;
  const std::string api_key_file_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  Secret api_key_;
  std::shared_ptr<http::Client> client_;
  std::set<std::string, std::less<>> capabilities_;
  std::optional<std::chrono::milliseconds> skew_;
  bool skew_warned_ = false;
};

/// The seconds of a `Retry-After` field: a number or an HTTP date (RFC 9110 §10.2.3); nullopt: neither.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view value, Time now);
/// RFC 9110 §5.6.7, the preferred form only.
std::optional<Time> parse_http_date(std::string_view text);

}  // namespace certctl::agent
