#include "core/http/middleware.hpp"

#include <algorithm>

#include "core/base/error.hpp"
#include "core/base/id.hpp"
#include "core/base/text.hpp"
#include "core/http/digest.hpp"
#include "core/http/error_response.hpp"
#include "core/http/messages.hpp"

namespace certctl::http {
namespace {

constexpr std::string_view kKeyedPrefix = "/api/v1/";
constexpr std::size_t kHashDigits = 16;

Rate failure_rate(const ChainOptions& options) {
  const double per_minute = std::max(1, options.auth_failures_per_minute);
  return {per_minute / 60, per_minute};
}

/// The rightmost address of X-Forwarded-For that no trusted proxy wrote for itself.
IpAddress client_behind_proxies(const Request& request, const std::vector<Cidr>& trusted) {
  const auto is_trusted = [&](const IpAddress& address) {
    return std::ranges::any_of(trusted, [&](const Cidr& range) { return range.contains(address); });
  };
  std::string chain;
  for (const auto& field : request.headers) {
    if (equal_ignore_case(field.name, "X-Forwarded-For")) chain += (chain.empty() ? "" : ",") + field.value;
  }
  IpAddress client = request.peer;
  const auto hops = split(chain, ',');
  for (auto hop = hops.rbegin(); hop != hops.rend(); ++hop) {
    const auto address = IpAddress::parse(trim(*hop));
    if (!address) break;
    client = address->unmapped();
    if (!is_trusted(client)) break;
  }
  return client;
}

bool has_valid_ids(const Request& request) {
  const auto& route = *request.route;
  if (route.options.any_id) return true;
  const std::string_view tail =
      route.pattern.ends_with("...}") ? std::string_view(route.parameter_names.back()) : std::string_view();
  return std::ranges::all_of(request.parameters, [&](const auto& parameter) {
    return parameter.first == tail || is_valid_id(parameter.second);
  });
}

/// 415 for what no JSON endpoint can read (rest-api.md §2.1). Other types pass: clients send none, or curl's default.
std::optional<std::string> media_fault(const Request& request) {
  const auto encoding = trim(request.headers.get("Content-Encoding"));
  if (!encoding.empty() && !equal_ignore_case(encoding, "identity"))
    return "Content-Encoding is not supported; send the body as it is";
  if (request.route != nullptr && request.route->options.any_content_type) return std::nullopt;
  const std::string type = lower(request.headers.get("Content-Type"));
  if (type.starts_with("multipart/")) return "multipart bodies are not supported; send JSON";
  if (const auto at = type.find("charset="); at != std::string::npos) {
    std::string_view charset = std::string_view(type).substr(at + 8);
    charset = trim(charset.substr(0, charset.find(';')));
    if (charset.size() >= 2 && charset.front() == '"') charset = charset.substr(1, charset.size() - 2);
    if (charset != "utf-8" && charset != "utf8" && charset != "us-ascii") return "only UTF-8 is supported";
  }
  return std::nullopt;
}

void add_security_headers(const Request& request, Response& response) {
  auto& headers = response.headers;
  const auto fall_back = [&](std::string_view name, std::string_view value) {
    if (!headers.has(name)) headers.add(name, value);
  };
  headers.set("X-Request-ID", request.request_id);
  headers.set("Strict-Transport-Security", "max-age=31536000; includeSubDomains");
  headers.set("X-Frame-Options", "DENY");
  headers.set("X-Content-Type-Options", "nosniff");
  headers.set("Referrer-Policy", "no-referrer");
  fall_back("Content-Security-Policy",
            "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self'; "
            "connect-src 'self'; "
            "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'");
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  fall_back("Cross-Origin-Resource-Policy", "same-origin");
  headers.set(
      "Permissions-Policy",
      "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()");
  if (request.path.starts_with("/api/")) fall_back("Cache-Control", "no-store");
}

void add_cors_headers(const Request& request, const std::vector<std::string>& origins, Response& response) {
  auto& headers = response.headers;
  const auto allow = [&](std::string_view origin) {
    headers.set("Access-Control-Allow-Origin", origin);
    headers.set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, PATCH, OPTIONS");
    headers.set("Access-Control-Allow-Headers", "Content-Type, Authorization, X-Request-ID");
    headers.set("Access-Control-Max-Age", "86400");
    headers.set("Cross-Origin-Resource-Policy", "cross-origin");
  };
  if (request.route != nullptr && request.route->options.public_cors) {
    allow("*");
    return;
  }
  if (origins.empty()) return;
  headers.add("Vary", "Origin");
  const std::string_view origin = request.headers.get("Origin");
  if (origin.empty()) return;
  if (std::ranges::find(origins, "*") != origins.end())
    allow("*");
  else if (std::ranges::find(origins, origin) != origins.end())
    allow(origin);
}

void add_limit_headers(Request& request, const TokenBuckets::Verdict& verdict) {
  request.answer_headers.set("RateLimit-Limit", std::to_string(std::int64_t(verdict.limit)));
  request.answer_headers.set("RateLimit-Remaining", std::to_string(std::int64_t(verdict.remaining)));
  request.answer_headers.set("RateLimit-Reset", std::to_string(verdict.reset.count()));
}

Response refusal_of_path(const Request& request, const Router::Match& match) {
  if (!match.path_known) return error_response(404, "no such endpoint", request.request_id);
  Response response = error_response(405, "Method not allowed", request.request_id);
  response.headers.set("Allow", match.allow);
  return response;
}

AuditRecord record_of(const Request& request, AuditRecord::Kind kind, int status, std::string reason) {
  return {kind,
          request.principal,
          request.method,
          request.path,
          request.body_hash,
          status,
          {},
          request.request_id,
          std::move(reason),
          request.remote.client_key()};
}

}  // namespace

Chain::Chain(ChainOptions options, const Router& router, Authenticator& authenticator, AuditSink& audit,
             const Clock& clock)
    : options_(std::make_shared<const ChainOptions>(std::move(options))),
      router_(router),
      authenticator_(authenticator),
      audit_(audit),
      clock_(clock),
      by_ip_(options_->per_ip, clock),
      by_user_(options_->per_user, clock),
      by_agent_(options_->per_agent, clock),
      failures_(failure_rate(*options_), clock) {}

Chain::~Chain() = default;

void Chain::reconfigure(ChainOptions options) {
  by_ip_.set_rate(options.per_ip);
  by_user_.set_rate(options.per_user);
  by_agent_.set_rate(options.per_agent);
  failures_.set_rate(failure_rate(options));
  auto fresh = std::make_shared<const ChainOptions>(std::move(options));
  std::scoped_lock lock(mutex_);
  options_ = std::move(fresh);
}

void Chain::set_observer(Observer observer) { observer_ = std::move(observer); }

std::shared_ptr<const ChainOptions> Chain::options() const {
  std::scoped_lock lock(mutex_);
  return options_;
}

std::optional<Response> Chain::on_head(Request& request) {
  const auto options = this->options();
  const auto is_proxy = [&](const Cidr& range) { return range.contains(request.peer); };
  request.from_trusted_proxy = std::ranges::any_of(options->trusted_proxies, is_proxy);
  if (request.from_trusted_proxy) request.remote = client_behind_proxies(request, options->trusted_proxies);

  const auto match = router_.match(request.method, request.path);
  if (match.bad_path) return error_response(400, "invalid path", request.request_id);
  request.segments = match.segments;
  request.route = match.route;
  request.body_limit = options->body_limit;
  if (match.route != nullptr) {
    for (std::size_t i = 0; i < match.values.size(); ++i)
      request.parameters[match.route->parameter_names[i]] = match.values[i];
    if (match.route->options.body_limit != 0) request.body_limit = match.route->options.body_limit;
  }
  if (auto refusal = limit_client(request, *options)) return refusal;
  if (request.method == "OPTIONS" && match.route == nullptr) {
    Response response = no_content();
    if (match.path_known) response.headers.set("Allow", match.allow + ", OPTIONS");
    return response;
  }
  const bool keyed = request.path.starts_with(kKeyedPrefix) && !(match.path_known && match.least_auth == Auth::none);
  if (match.route == nullptr && !keyed) return refusal_of_path(request, match);
  return std::nullopt;
}

std::optional<Response> Chain::admit(Request& request) {
  try {
    const auto options = this->options();
    const Auth required = request.route != nullptr ? request.route->options.auth : Auth::bearer;
    if (auto refusal = authenticate(request, required, *options)) return refusal;
    if (request.route == nullptr) return refusal_of_path(request, router_.match(request.method, request.path));
    if (auto refusal = limit_principal(request, *options)) return refusal;
    const auto& route = request.route->options;
    if (request.principal.enroll_only && !route.enroll)
      throw Error(ErrorKind::forbidden, "this key may only make enrolment tokens");
    if (route.admin && !request.principal.admin) throw Error(ErrorKind::forbidden, route.admin_message);
    if (!has_valid_ids(request)) throw not_found("not found");
    if (auto fault = media_fault(request)) throw Error(ErrorKind::unsupported_media, *fault);
    return std::nullopt;
  } catch (...) {
    return current_exception_response(request.request_id);
  }
}

std::optional<Response> Chain::authenticate(Request& request, Auth required, const ChainOptions& options) {
  if (required == Auth::none) return std::nullopt;
  auto result = authenticator_.authenticate(request, required);
  if (const auto* failure = std::get_if<AuthFailure>(&result)) return refuse_credential(request, *failure, options);
  request.principal = std::get<Principal>(std::move(result));
  request.authenticated = true;
  return std::nullopt;
}

Response Chain::refuse_credential(const Request& request, const AuthFailure& failure, const ChainOptions& options) {
  if (options.auth_failures_per_minute > 0) {
    const auto verdict = failures_.take(request.remote.client_key());
    if (!verdict.allowed) return rate_limited(request, verdict, "auth_failures");
  }
  audit_.record(record_of(request, AuditRecord::Kind::auth_failed, 401, failure.reason));
  const std::string_view error = failure.envelope ? reason_phrase(401) : std::string_view(failure.text);
  Response response = error_response_with_text(401, error, failure.text, request.request_id, "unauthenticated");
  response.headers.set("WWW-Authenticate", "Bearer realm=\"certctl\"");
  return response;
}

std::optional<Response> Chain::limit_client(const Request& request, const ChainOptions& options) {
  const bool exempt =
      request.route != nullptr && (!request.route->options.rate_limited || request.route->options.auth == Auth::agent);
  if (!options.rate_limit || exempt) return std::nullopt;
  const auto verdict = by_ip_.take(request.remote.client_key());
  if (verdict.allowed) return std::nullopt;
  return rate_limited(request, verdict, "ip");
}

std::optional<Response> Chain::limit_principal(Request& request, const ChainOptions& options) {
  if (!options.rate_limit || !request.route->options.rate_limited || !request.principal.known()) return std::nullopt;
  // A fleet that shares one key must not be throttled as one caller: agent routes count per agent id.
  const bool agent_route = request.route->options.auth == Auth::agent;
  std::string key = request.principal.name;
  if (agent_route && !request.principal.is_agent()) {
    const auto id = request.parameters.find(request.route->options.agent_parameter);
    if (id != request.parameters.end()) key = id->second;
  }
  const auto verdict = (agent_route ? by_agent_ : by_user_).take(key);
  add_limit_headers(request, verdict);
  if (verdict.allowed) return std::nullopt;
  return rate_limited(request, verdict, agent_route ? "agent" : "user");
}

Response Chain::rate_limited(const Request& request, const TokenBuckets::Verdict& verdict, std::string_view limiter) {
  constexpr std::string_view kText = "Rate limit exceeded";
  audit_.record(record_of(request, AuditRecord::Kind::rate_limited, 429, std::string(limiter)));
  Response response = error_response_with_text(429, kText, kText, request.request_id, to_text(ErrorKind::rate_limited));
  response.headers.set("Retry-After", std::to_string(verdict.retry_after.count()));
  response.headers.set("RateLimit-Limit", std::to_string(std::int64_t(verdict.limit)));
  response.headers.set("RateLimit-Remaining", "0");
  response.headers.set("RateLimit-Reset", std::to_string(verdict.reset.count()));
  return response;
}

void Chain::handle(std::shared_ptr<Request> request, Reply reply) {
  try {
    if (!request->body.empty() && request->authenticated)
      request->body_hash = to_hex(sha256(request->body)).substr(0, kHashDigits);
    if (const auto* async = std::get_if<AsyncHandler>(&request->route->handler))
      (*async)(std::move(request), reply);
    else
      reply(std::get<Handler>(request->route->handler)(*request));
  } catch (...) {
    reply.fail_with_current_exception();
  }
}

void Chain::decorate(const Request& request, Response& response) {
  add_security_headers(request, response);
  add_cors_headers(request, options()->cors_origins, response);
  for (const auto& field : request.answer_headers) {
    if (!response.headers.has(field.name)) response.headers.add(field.name, field.value);
  }
}

void Chain::finished(const Request& request, const Exchange& exchange) {
  const auto latency = std::chrono::duration_cast<std::chrono::milliseconds>(exchange.duration);
  const std::string_view client_id = request.headers.get("X-Request-ID");
  const bool usable_id = !client_id.empty() && client_id.size() <= 64 && std::ranges::all_of(client_id, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
  log::write(kRequest, {{"request_id", request.request_id},
                        {"method", request.method},
                        {"path", request.path},
                        {"status", exchange.status},
                        {"duration_ms", latency.count()},
                        {"remote_addr", request.remote.to_text()},
                        {"actor", request.principal.name},
                        {"bytes_out", exchange.bytes_out},
                        {"route", request.route != nullptr ? request.route->pattern : std::string()},
                        {"client_request_id", usable_id ? client_id : std::string_view()}});
  const bool excluded = request.audited || (request.route != nullptr && !request.route->options.audited);
  if (request.authenticated && !excluded && exchange.status != 429) {
    auto record = record_of(request, AuditRecord::Kind::call, exchange.status, {});
    record.latency = latency;
    audit_.record(std::move(record));
  }
  if (observer_) observer_(request, exchange);
}

bool Chain::urgent(const Request& request) const { return request.route != nullptr && request.route->options.urgent; }

}  // namespace certctl::http
