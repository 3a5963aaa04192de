#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/base/clock.hpp"
#include "core/http/application.hpp"
#include "core/http/authenticator.hpp"
#include "core/http/limiter.hpp"
#include "core/http/router.hpp"

namespace certctl::http {

/// One thing that the audit trail should know about a request.
struct AuditRecord {
  enum class Kind { call, auth_failed, rate_limited };
  Kind kind = Kind::call;
  Principal principal;  ///< anonymous for the refusals
  std::string method;
  std::string path;       ///< without the query
  std::string body_hash;  ///< first 16 hex digits of SHA-256; empty without a body
  int status = 0;
  std::chrono::milliseconds latency{};
  std::string request_id;
  std::string reason;  ///< of a refusal: `missing`, `unknown_key`, `bootstrap`, `ip`, `user`, `agent`
  std::string source;  ///< IpAddress::client_key() of the client; the sink hashes or aggregates it
};

/// Must not block and must not throw: a bounded queue behind it. Called once for every keyed request that did not set
/// Request::audited, and for each refusal by a credential or a limit.
class AuditSink {
 public:
  virtual ~AuditSink() = default;
  virtual void record(AuditRecord record) noexcept = 0;
};

struct ChainOptions {
  std::uint64_t body_limit = 1024 * 1024;
  bool rate_limit = true;
  Rate per_ip{50, 100};
  Rate per_user{50, 100};
  Rate per_agent{5, 20};
  int auth_failures_per_minute = 60;      ///< of one address; 0: off
  std::vector<std::string> cors_origins;  ///< exact origins or `*`
  std::vector<Cidr> trusted_proxies;      ///< whose X-Forwarded-For is believed
};

/// The chain of security.md §12.1 around a router: request id, access log, exception guard, path sanity, security
/// headers, body limit, IP limit, CORS, authentication, user limit, audit, handler.
class Chain final : public Application {
 public:
  using Observer = std::function<void(const Request&, const Exchange&)>;

  /// All references outlive the chain.
  Chain(ChainOptions options, const Router& router, Authenticator& authenticator, AuditSink& audit, const Clock& clock);
  ~Chain() override;

  /// Limits, CORS, proxies of a reload; buckets keep their levels.
  void reconfigure(ChainOptions options);
  /// Called for each finished exchange, for metrics. Set before the server starts.
  void set_observer(Observer observer);

  std::optional<Response> on_head(Request& request) override;
  std::optional<Response> admit(Request& request) override;
  void handle(std::shared_ptr<Request> request, Reply reply) override;
  void decorate(const Request& request, Response& response) override;
  void finished(const Request& request, const Exchange& exchange) override;
  bool urgent(const Request& request) const override;

 private:
  std::shared_ptr<const ChainOptions> options() const;
  std::optional<Response> limit_client(const Request& request, const ChainOptions& options);
  std::optional<Response> limit_principal(Request& request, const ChainOptions& options);
  std::optional<Response> authenticate(Request& request, Auth required, const ChainOptions& options);
  Response refuse_credential(const Request& request, const AuthFailure& failure, const ChainOptions& options);
  Response rate_limited(const Request& request, const TokenBuckets::Verdict& verdict, std::string_view limiter);

  mutable std::mutex mutex_;
  std::shared_ptr<const ChainOptions> options_;
  const Router& router_;
  Authenticator& authenticator_;
  AuditSink& audit_;
  const Clock& clock_;
  TokenBuckets by_ip_;
  TokenBuckets by_user_;
  TokenBuckets by_agent_;
  TokenBuckets failures_;
  Observer observer_;
};

}  // namespace certctl::http
