#include "agent/heartbeat.hpp"

#include <algorithm>

#include "agent/messages.hpp"
#include "core/base/build_info.hpp"
#include "core/base/json.hpp"
#include "core/base/time.hpp"

namespace certctl::agent {
namespace {

constexpr auto kExpiryNotice = std::chrono::hours(7 * 24);
constexpr auto kExpiryRepeat = std::chrono::hours(24);
/// What this agent can do beyond upstream's.
constexpr const char* kCapabilities[] = {"long_poll", "job_lease", "ip_sans", "deployment_report"};

}  // namespace

Heartbeat::Heartbeat(Session& session, Registration& registration, const Options& options, JobBoard& jobs,
                     const Outbox& outbox, DeployedCertificates& deployed, std::shared_ptr<plugin::Host> plugins,
                     Ending ending)
    : session_(session),
      registration_(registration),
      options_(options),
      jobs_(jobs),
      outbox_(outbox),
      deployed_(deployed),
      plugins_(std::move(plugins)),
      ending_(std::move(ending)),
      facts_(host_facts(options.server.url)),
      started_(session.clock().now()),
      contact_("heartbeat", session.control_plane(), registration.spare_key()),
      pace_{options.heartbeat_interval, options.poll_interval} {}

Heartbeat::Pace Heartbeat::pace() const {
  const std::scoped_lock lock(mutex_);
  return pace_;
}

Duration Heartbeat::turn() {
  well_ = false;
  if (session_.agent_id().empty()) return register_agent();
  const Answer answer =
      session_.control_plane().post(session_.path("/heartbeat"), body(), {.cancellation = cancellation_});
  switch (answer.verdict) {
    case Verdict::ok:
      return recorded(answer);
    case Verdict::retired:
      ending_.retired("heartbeat", answer);
      return pace().heartbeat;
    case Verdict::not_found:
      return unknown_agent(answer);
    default:
      break;
  }
  if (cancellation_.cancelled()) return pace().heartbeat;
  warn_of_expiry();
  return contact_.failed(answer);
}

Duration Heartbeat::register_agent() {
  const Registration::Attempt attempt = registration_.attempt(session_.control_plane(), facts_);
  switch (attempt.result) {
    case Registration::Result::registered:
      session_.set_agent_id(registration_.agent_id());
      session_.signals().poll();
      return {};
    case Registration::Result::refused:
      ending_.fatal(attempt.problem);
      return pace().heartbeat;
    case Registration::Result::retry:
      break;
  }
  return attempt.answer.verdict == Verdict::conflict ? Duration{} : contact_.failed(attempt.answer);
}

/// Agents register at their first heartbeat; one that was known and is no more needs a person.
Duration Heartbeat::unknown_agent(const Answer& answer) {
  if (!ever_recorded_ && registration_.is_possible()) return register_agent();
  log::write(kUnknownAgent, {{"agent_id", session_.agent_id()}});
  return contact_.failed(answer);
}

Duration Heartbeat::recorded(const Answer& answer) {
  contact_.succeeded();
  ever_recorded_ = true;
  well_ = true;
  std::set<std::string, std::less<>> capabilities;
  for (auto& name : json::texts(answer.body, "capabilities")) capabilities.insert(std::move(name));
  const bool long_poll_before = session_.control_plane().offers("long_poll");
  session_.control_plane().set_capabilities(std::move(capabilities));
  if (!long_poll_before && session_.control_plane().offers("long_poll")) session_.signals().poll();
  take_pace(answer.body);
  registration_.rotate_key_if_due(session_.control_plane());
  log::write(kHeartbeat, {{"agent_id", session_.agent_id()}});
  return jittered(pace().heartbeat);
}

/// The control plane may set the pace where the operator of this machine has not.
void Heartbeat::take_pace(const json::Value& answer) {
  constexpr std::int64_t kDay = 86'400;
  const std::scoped_lock lock(mutex_);
  const std::int64_t heartbeat = json::integer_or(answer, "heartbeat_interval_s", 0),
                     poll = json::integer_or(answer, "poll_interval_s", 0);
  if (!options_.heartbeat_interval_given && heartbeat > 0)
    pace_.heartbeat = std::chrono::seconds(std::clamp<std::int64_t>(heartbeat, 5, kDay));
  if (!options_.poll_interval_given && poll > 0)
    pace_.poll = std::chrono::seconds(std::clamp<std::int64_t>(poll, 1, kDay));
}

/// The last line of defence: nobody will renew these while the control plane is away.
void Heartbeat::warn_of_expiry() {
  const Time now = session_.clock().now();
  if (now - expiry_warned_ < kExpiryRepeat) return;
  for (const auto& deployed : deployed_.expiring_before(now + kExpiryNotice)) {
    expiry_warned_ = now;
    log::write(kExpiresUnattended, {{"certificate_id", deployed.certificate_id},
                                    {"target_id", deployed.target_id},
                                    {"not_after", format_time(deployed.not_after)}});
  }
}

std::string Heartbeat::body() const {
  json::Writer out;
  out.begin_object()
      .field("version", build_info().version)
      .field("hostname", facts_.hostname)
      .field("os", facts_.os)
      .field("architecture", facts_.architecture)
      .field("ip_address", facts_.ip_address)
      .field("running_jobs", jobs_.ids());
  out.key("capabilities").begin_array();
  for (const char* capability : kCapabilities) out.value(capability);
  out.end_array().key("plugins").begin_array();
  for (const auto* connector : plugins_->connectors("target")) {
    out.begin_object()
        .field("type", connector->type())
        .field("version", connector->manifest().version)
        .field("status", connector->manifest().status)
        .end_object();
  }
  out.end_array();
  if (const auto skew = session_.control_plane().clock_skew()) out.field("clock_skew_ms", std::int64_t(skew->count()));
  out.field("pending_reports", std::int64_t(outbox_.size())).field("started_at", started_);
  return out.end_object().take();
}

}  // namespace certctl::agent
