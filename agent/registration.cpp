#include "agent/registration.hpp"

#include <fmt/format.h>

#include "agent/messages.hpp"
#include "core/base/build_info.hpp"
#include "core/base/error.hpp"
#include "core/base/id.hpp"
#include "core/base/json.hpp"
#include "core/base/text.hpp"
#include "core/http/uri.hpp"

namespace certctl::agent {
namespace {

constexpr auto kKeyLife = std::chrono::hours(90 * 24);
constexpr auto kRotationPause = std::chrono::hours(6);

}  // namespace

Registration::Registration(const Options& options, const IdentityStore& store, const Clock& clock)
    : options_(options), store_(store), clock_(clock), stored_(store.load()), agent_id_(options.agent_id) {
  if (!stored_) return;
  const bool same_id =
      options.agent_id.empty() || options.agent_id == stored_->agent_id || options.agent_id == stored_->requested_id;
  if (stored_->server == options.server.url && same_id) {
    agent_id_ = stored_->agent_id;
    return;
  }
  log::write(kAnotherIdentity, {{"stored_server", stored_->server}, {"stored_agent_id", stored_->agent_id}});
  stored_.reset();
}

Secret Registration::first_key() const {
  if (!options_.api_key.empty() || !stored_) return options_.api_key.clone();
  return stored_->api_key.clone();
}

Secret Registration::spare_key() const {
  return stored_ && !options_.api_key.empty() ? stored_->api_key.clone() : Secret();
}

Registration::Attempt Registration::attempt(ControlPlane& control_plane, const HostFacts& facts) {
  RequestOptions request;
  if (options_.api_key.empty()) {
    request.bearer = &options_.bootstrap_token;
  } else {
    request.bearer = &options_.api_key;
    if (!options_.bootstrap_token.empty()) request.bootstrap_token = &options_.bootstrap_token;
  }
  Answer answer = control_plane.post("/agents", body(facts), request);
  switch (answer.verdict) {
    case Verdict::ok:
      return take(control_plane, std::move(answer));
    case Verdict::conflict:
      return conflict(facts, std::move(answer));
    case Verdict::unauthorised:
      return {Result::refused,
              {},
              fmt::format("registration refused ({}): check CERTCTL_AGENT_BOOTSTRAP_TOKEN or CERTCTL_API_KEY",
                          answer.problem)};
    case Verdict::refused:
      return {
          Result::refused, {}, fmt::format("registration refused ({}): check the agent's name and id", answer.problem)};
    default:
      log::write(kRegistrationRetry, {{"error", answer.problem}});
      return {Result::retry, std::move(answer), {}};
  }
}

std::string Registration::name(const HostFacts& facts) const {
  std::string out = options_.chosen_name.empty() ? facts.hostname : options_.chosen_name;
  if (name_marked_) out += '-' + machine_mark();
  return out;
}

std::string Registration::body(const HostFacts& facts) const {
  json::Writer out;
  out.begin_object();
  if (!agent_id_.empty()) out.field("id", agent_id_);
  out.field("name", name(facts))
      .field("hostname", facts.hostname)
      .field("os", facts.os)
      .field("architecture", facts.architecture)
      .field("ip_address", facts.ip_address)
      .field("version", build_info().version);
  return out.end_object().take();
}

Registration::Attempt Registration::take(ControlPlane& control_plane, Answer answer) {
  Identity identity;
  identity.server = options_.server.url;
  identity.agent_id = json::text_or(answer.body, "id");
  identity.requested_id = agent_id_;
  identity.registered_at = clock_.now();
  identity.key_since = identity.registered_at;
  identity.api_key = Secret(json::text_or(answer.body, "api_key"));
  if (!is_valid_id(identity.agent_id)) {
    answer.problem = "the registration's answer has no usable agent id";
    return {Result::retry, std::move(answer), {}};
  }
  store_.save(identity);  // before its key is used for the first time
  if (!agent_id_.empty() && agent_id_ != identity.agent_id) {
    log::write(kRegisteredOtherId, {{"requested_id", agent_id_}, {"agent_id", identity.agent_id}});
  }
  log::write(kRegistered, {{"agent_id", identity.agent_id}, {"own_key", !identity.api_key.empty()}});
  agent_id_ = identity.agent_id;
  if (!identity.api_key.empty()) control_plane.use_key(identity.api_key.clone());
  stored_ = std::move(identity);
  return {Result::registered, {}, {}};
}

void Registration::rotate_key_if_due(ControlPlane& control_plane) {
  const Time now = clock_.now();
  if (!stored_ || stored_->api_key.empty() || now - stored_->key_since < kKeyLife ||
      now - rotation_tried_ < kRotationPause)
    return;
  const bool in_use = control_plane.key().use([&](std::string_view used) {
    return stored_->api_key.use(
        [&](std::string_view own) { return equal_constant_time(as_bytes(used), as_bytes(own)); });
  });
  if (!in_use) return;
  rotation_tried_ = now;
  const Answer answer = control_plane.post(fmt::format("/agents/{}/rotate-key", http::percent_encode(agent_id_)), "{}");
  Secret fresh(answer.ok() ? json::text_or(answer.body, "api_key") : std::string());
  if (fresh.empty()) {
    log::write(kKeyRotationFailed, {{"agent_id", agent_id_}, {"error", answer.problem}});
    return;
  }
  stored_->api_key = std::move(fresh);
  stored_->key_since = now;
  store_.save(*stored_);
  control_plane.use_key(stored_->api_key.clone());
  log::write(kKeyRotated, {{"agent_id", agent_id_}});
}

/// An earlier attempt whose answer was lost may have registered us: with an id of our own, the next heartbeat tells.
Registration::Attempt Registration::conflict(const HostFacts& facts, Answer answer) {
  if (!agent_id_.empty() && !looked_again_) {
    looked_again_ = true;
    return {Result::retry, std::move(answer), {}};
  }
  const bool by_name = answer.problem.find("name already exists") != std::string::npos;
  if (by_name && !name_marked_ && !machine_mark().empty()) {
    name_marked_ = true;
    return {Result::retry, std::move(answer), {}};
  }
  return {
      Result::refused,
      {},
      fmt::format("registration refused ({}): choose another CERTCTL_AGENT_NAME than \"{}\"{}, or remove the old agent",
                  answer.problem, name(facts), agent_id_.empty() ? "" : " or another CERTCTL_AGENT_ID")};
}

}  // namespace certctl::agent
