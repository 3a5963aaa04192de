#include "core/http/authenticator.hpp"

#include <algorithm>

#include "core/base/error.hpp"
#include "core/base/text.hpp"

namespace certctl::http {
namespace {

constexpr std::string_view kBadHeader = "Invalid Authorization header format, expected: Bearer <token>";
constexpr std::size_t kAgentKeySize = 43;  // 32 random bytes, base64url without padding

/// Agents' keys are looked up in the database: what cannot be one does not cost a query.
bool may_be_agent_key(std::string_view credential) {
  return credential.size() == kAgentKeySize && std::ranges::all_of(credential, [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
         });
}

AuthFailure bad_bootstrap() { return {"invalid_or_missing_bootstrap_token", "bootstrap", true}; }

/// The token of the one Authorization header.
std::variant<std::string_view, AuthFailure> bearer_of(const Request& request) {
  constexpr std::string_view kScheme = "Bearer ";
  const auto count = request.headers.count("Authorization");
  if (count == 0) return AuthFailure{"Authorization header required", "missing"};
  const std::string_view value = request.headers.get("Authorization");
  if (count > 1 || value.size() <= kScheme.size() || !starts_with_ignore_case(value, kScheme)) {
    return AuthFailure{std::string(kBadHeader), "malformed"};
  }
  return value.substr(kScheme.size());
}

}  // namespace

KeyAuthenticator::KeyAuthenticator(KeyAuthenticatorOptions options, ApiKeys keys, AgentLookup agents,
                                   const Clock& clock)
    : options_(std::move(options)),
      keys_(std::make_shared<const ApiKeys>(std::move(keys))),
      agents_(std::move(agents)),
      clock_(clock) {
  if (!options_.bootstrap_token.empty())
    bootstrap_ = options_.bootstrap_token.use([](std::string_view token) { return digest_of(token); });
}

void KeyAuthenticator::replace_keys(ApiKeys keys) {
  auto fresh = std::make_shared<const ApiKeys>(std::move(keys));
  std::scoped_lock lock(mutex_);
  keys_ = std::move(fresh);
}

std::shared_ptr<const ApiKeys> KeyAuthenticator::keys() const {
  std::scoped_lock lock(mutex_);
  return keys_;
}

std::variant<Principal, AuthFailure> KeyAuthenticator::authenticate(const Request& request, Auth required) {
  if (required == Auth::none) return Principal{};
  const auto header = bearer_of(request);
  const auto* credential = std::get_if<std::string_view>(&header);

  if (required == Auth::bootstrap && bootstrap_) {
    if (credential == nullptr) return bad_bootstrap();
    return registration(request, *credential);
  }
  if (credential == nullptr) {
    if (options_.type == AuthType::none) return Principal{};
    return std::get<AuthFailure>(header);
  }
  const auto keys = this->keys();
  Principal principal;
  if (const ApiKey* key = keys->find(*credential, clock_.now())) {
    principal = {Principal::Kind::user, key->name, key->admin, key->enroll};
  } else if (auto known = agent(*credential)) {
    principal = std::move(*known);
  } else if (options_.type == AuthType::none) {
    return Principal{};
  } else {
    return AuthFailure{"Invalid API key", "unknown_key"};
  }
  check_place(request, required, principal);
  return principal;
}

std::variant<Principal, AuthFailure> KeyAuthenticator::registration(const Request& request,
                                                                    std::string_view credential) const {
  if (equal_constant_time(digest_of(credential), *bootstrap_))
    return Principal{Principal::Kind::bootstrap, "bootstrap"};
  const std::string_view token = request.headers.get("X-Certctl-Bootstrap-Token");
  const bool shown = !token.empty() && equal_constant_time(digest_of(token), *bootstrap_);
  const auto keys = this->keys();
  const ApiKey* key = keys->find(credential, clock_.now());
  if (key == nullptr || key->enroll || !shown) return bad_bootstrap();
  return Principal{Principal::Kind::user, key->name, key->admin, false};
}

std::optional<Principal> KeyAuthenticator::agent(std::string_view credential) const {
  if (!agents_ || !may_be_agent_key(credential)) return std::nullopt;
  const auto identity = agents_(to_hex(digest_of(credential)));
  if (!identity) return std::nullopt;
  if (identity->retired) throw Error(ErrorKind::gone, "Agent has been retired");
  return Principal{Principal::Kind::agent, identity->id};
}

void KeyAuthenticator::check_place(const Request& request, Auth required, const Principal& principal) const {
  const auto forbid = [](const char* why) { return Error(ErrorKind::forbidden, why); };
  if (principal.is_agent()) {
    if (required != Auth::agent) throw forbid("an agent's key is valid for the agent's own routes only");
    if (request.route == nullptr || request.route->options.agent_parameter.empty()) return;
    const auto& id = request.parameter(request.route->options.agent_parameter);
    if (id != principal.name) throw forbid("this key is bound to another agent");
    return;
  }
  if (required == Auth::agent && options_.agents == AgentMode::bound) {
    const bool reads = request.method == "GET" || request.method == "HEAD";
    if (!principal.admin || !reads) throw forbid("agent routes take the agent's own key");
  }
}

}  // namespace certctl::http
