#include "core/service/notifications.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/error.hpp"
#include "core/base/id.hpp"
#include "core/base/time.hpp"
#include "core/crypto/hash.hpp"
#include "core/service/alert_matrix.hpp"
#include "core/service/plain_text.hpp"
#include "core/store/notification_channels.hpp"
#include "core/store/renewal_policies.hpp"

namespace certctl::service {
namespace {

using namespace std::chrono_literals;
using domain::Certificate;
using domain::Job;
using domain::Notification;
using domain::NotificationType;
using domain::Severity;

constexpr std::string_view kEmail = "Email";
constexpr std::string_view kWebhook = "Webhook";
constexpr std::size_t kErrorLimit = 1000;
/// A requeued message is shown as pending for a moment before a sender may have it.
constexpr auto kRequeueHold = 2s;

std::string_view word_of(IncidentAction action) {
  switch (action) {
    case IncidentAction::trigger: return "trigger";
    case IncidentAction::resolve: return "resolve";
    case IncidentAction::info: break;
  }
  return "info";
}

std::string shown_name(const Certificate& certificate) {
  const std::string& name = !certificate.common_name.empty() ? certificate.common_name
                            : !certificate.name.empty()      ? certificate.name
                                                             : certificate.id;
  return plain_text(name);
}

std::string shown_error(std::string_view error) {
  return error.empty() ? "no reason was given" : shorten(plain_text(error), kErrorLimit);
}

/// `[warning] Renewal of api.example.com failed`.
std::string subject(Severity severity, std::string_view sentence) {
  return fmt::format("[{}] {}", domain::name_of(severity), sentence);
}

std::int64_t days_until(Time moment, Time now) { return std::chrono::floor<std::chrono::days>(moment - now).count(); }

std::string_view task_of(const Job& job) { return job.type.is(domain::JobType::Issuance) ? "Issuance" : "Renewal"; }

void add_channel(std::vector<std::string>& channels, std::string_view type) {
  const auto same = [&](const std::string& other) { return equal_ignore_case(other, type); };
  if (std::none_of(channels.begin(), channels.end(), same)) channels.emplace_back(type);
}

json::Raw payload_of(const Event& event) {
  std::map<std::string, std::string> facts = event.facts;
  facts["action"] = word_of(event.action);
  if (!event.incident_key.empty()) facts["incident_key"] = event.incident_key;
  json::Writer out;
  out.value(facts);
  return json::Raw{out.take()};
}

/// Who gets it by mail: the owner, else the team's other owners, else the default address; nobody.
std::vector<std::string> mail_recipients(const store::notifications::Addresses& addresses, const std::string& fallback) {
  if (!addresses.owner.empty()) return {addresses.owner};
  if (!addresses.team.empty()) return addresses.team;
  if (!fallback.empty()) return {fallback};
  return {};
}

}  // namespace

// --- enqueuing -----------------------------------------------------------------------------------------------------

void Notifications::enqueue(db::Transaction& tx, const Event& event) {
  const auto configured = store::notification_channels::enabled(tx);
  const auto addresses = store::notifications::addresses(tx, event.owner_id, event.team_id);
  const auto channel_of = [&](std::string_view type) {
    const auto found = std::find_if(configured.begin(), configured.end(), [&](const auto& c) { return equal_ignore_case(c.type, type); });
    return found == configured.end() ? nullptr : &*found;
  };

  store::notifications::New sample;
  Notification& row = sample.row;
  row.type = domain::name_of(event.type);
  row.certificate_id = event.certificate_id;
  row.message = event.message;
  row.subject = event.subject;
  row.severity = domain::name_of(event.severity);
  row.payload = {payload_of(event)};
  row.created_at = ground_.clock.now();
  sample.event_id = new_id("evt", ground_.clock);

  std::vector<store::notifications::New> rows;
  const auto add = [&](const std::string& type, const std::string& recipient, bool one_of_many) {
    store::notifications::New next = sample;
    next.row.id = new_id("notif", ground_.clock);
    next.row.channel = type;
    next.row.recipient = recipient;
    if (const auto* channel = channel_of(type)) next.row.channel_id = {channel->id};
    if (!event.dedup.empty()) {
      next.dedup_key = fmt::format("{}:{}", event.dedup, type);
      if (one_of_many) next.dedup_key += ':' + crypto::sha256_hex(recipient).substr(0, 16);
    }
    rows.push_back(std::move(next));
  };

  std::vector<std::string> types = event.channels;
  if (channel_of(kWebhook) != nullptr) add_channel(types, kWebhook);
  for (const auto& type : types) {
    if (!equal_ignore_case(type, kEmail)) {
      add(type, addresses.owner.empty() ? event.owner_id : addresses.owner, false);
      continue;
    }
    const auto recipients = mail_recipients(addresses, settings_.default_owner_email);
    for (const auto& recipient : recipients) add(type, recipient, recipients.size() > 1);
    if (recipients.empty()) {
      add(type, event.owner_id, false);
      rows.back().row.status = domain::NotificationStatus::dead;
      rows.back().row.last_error = event.owner_id.empty() ? "no deliverable address: there is no owner"
                                                          : fmt::format("no deliverable address for owner {}", event.owner_id);
    }
  }
  store::notifications::insert(tx, rows);
  db::wake(tx, "notify");
}

Event Notifications::about(const Certificate& certificate) const {
  Event event{};
  event.certificate_id = certificate.id;
  event.owner_id = certificate.owner_id;
  event.team_id = certificate.team_id;
  const auto fact = [&](const char* name, const std::string& value) {
    if (!value.empty()) event.facts[name] = value;
  };
  fact("common_name", shown_name(certificate));
  fact("owner_id", certificate.owner_id);
  fact("team_id", certificate.team_id);
  fact("serial", certificate.serial_number);
  fact("fingerprint_sha256", certificate.fingerprint_sha256);
  if (certificate.expires_at) {
    fact("not_after", format_time(*certificate.expires_at));
    fact("days_left", std::to_string(days_until(*certificate.expires_at, ground_.clock.now())));
  }
  if (!settings_.public_url.empty()) {
    std::string_view root = settings_.public_url;
    if (root.ends_with('/')) root.remove_suffix(1);
    fact("link", fmt::format("{}/certificates/{}", root, certificate.id));
  }
  return event;
}

void Notifications::renewal_success(db::Transaction& tx, const Certificate& certificate, const domain::CertificateVersion& version) {
  if (settings_.on_success == NotifyOnSuccess::none) return;
  const std::string name = shown_name(certificate);
  Event event = about(certificate);
  event.type = NotificationType::RenewalSuccess;
  event.severity = Severity::informational;
  event.facts["serial"] = version.serial_number;
  event.facts["fingerprint_sha256"] = version.fingerprint_sha256;
  event.facts["not_after"] = format_time(version.not_after);
  event.facts["days_left"] = std::to_string(days_until(version.not_after, ground_.clock.now()));
  event.subject = subject(event.severity, fmt::format("{} was renewed and is valid until {}", name, format_date(version.not_after)));
  event.message = fmt::format("Certificate \"{}\" was renewed.\nNew expiry: {}\nSerial: {}", name, format_date(version.not_after),
                              version.serial_number);
  event.action = IncidentAction::resolve;
  event.incident_key = "renewal/" + certificate.id;
  event.dedup = "renewed:" + version.id;
  enqueue(tx, event);
}

void Notifications::renewal_failure(db::Transaction& tx, const Certificate& certificate, const Job& job, std::string_view error,
                                    bool exhausted) {
  const std::string name = shown_name(certificate);
  Event event = about(certificate);
  event.type = NotificationType::RenewalFailure;
  const bool dated = certificate.expires_at.has_value();
  const std::int64_t days_left = dated ? days_until(*certificate.expires_at, ground_.clock.now()) : 0;
  event.severity = exhausted || (dated && days_left < 7) ? Severity::critical : Severity::warning;
  event.facts["job_id"] = job.id;
  event.facts["error"] = shown_error(error);
  event.subject = subject(event.severity, fmt::format("{} of {} failed", task_of(job), name));
  event.message = fmt::format("{} of certificate \"{}\" failed.\nError: {}\nAttempt: {} of {}{}", task_of(job), name, shown_error(error),
                              job.attempts, job.max_attempts, exhausted ? ", the last one of this job" : "");
  if (dated) event.message += fmt::format("\nExpires: {} ({} days left)", format_date(*certificate.expires_at), days_left);
  event.action = IncidentAction::trigger;
  event.incident_key = "renewal/" + certificate.id;
  if (dated && !certificate.renewal_policy_id.empty()) {
    if (const auto policy = store::renewal_policies::find(tx, certificate.renewal_policy_id)) {
      const std::string tier = alert_tier(*policy, nearest_threshold(*policy, days_left));
      for (const auto& type : alert_channels(*policy, tier)) add_channel(event.channels, type);
    }
  }
  enqueue(tx, event);
}

void Notifications::deployment_success(db::Transaction& tx, const Certificate& certificate, const domain::Target& target, const Job& job) {
  if (settings_.on_success != NotifyOnSuccess::all) return;
  const std::string name = shown_name(certificate);
  const std::string place = plain_text(target.name);
  Event event = about(certificate);
  event.type = NotificationType::DeploymentSuccess;
  event.severity = Severity::informational;
  event.facts["target_id"] = target.id;
  event.facts["target"] = place;
  event.facts["job_id"] = job.id;
  event.subject = subject(event.severity, fmt::format("{} was deployed to {}", name, place));
  event.message = fmt::format("Certificate \"{}\" was deployed to target \"{}\".", name, place);
  event.action = IncidentAction::resolve;
  event.incident_key = "deploy/" + target.id;
  event.dedup = "deployed:" + job.id;
  enqueue(tx, event);
}

void Notifications::deployment_failure(db::Transaction& tx, const Certificate& certificate, const domain::Target& target, const Job& job,
                                       std::string_view error, bool rollback_failed) {
  const std::string name = shown_name(certificate);
  const std::string place = plain_text(target.name);
  Event event = about(certificate);
  event.type = NotificationType::DeploymentFailure;
  event.severity = rollback_failed ? Severity::critical : Severity::warning;
  event.facts["target_id"] = target.id;
  event.facts["target"] = place;
  event.facts["job_id"] = job.id;
  event.facts["error"] = shown_error(error);
  event.subject = subject(event.severity, fmt::format("Deployment of {} to {} failed", name, place));
  event.message = fmt::format("Deployment of certificate \"{}\" to target \"{}\" failed.\nError: {}", name, place, shown_error(error));
  if (rollback_failed) event.message += "\nThe previous certificate could not be put back: look at the target now.";
  event.action = IncidentAction::trigger;
  event.incident_key = "deploy/" + target.id;
  enqueue(tx, event);
}

void Notifications::revocation(db::Transaction& tx, const Certificate& certificate, std::string_view serial, std::string_view reason) {
  const std::string name = shown_name(certificate);
  Event event = about(certificate);
  event.type = NotificationType::Revocation;
  event.severity = Severity::critical;
  event.facts["reason"] = plain_text(reason);
  if (!serial.empty()) event.facts["serial"] = serial;
  event.subject = subject(event.severity, fmt::format("{} was revoked ({})", name, plain_text(reason)));
  event.message = fmt::format("[REVOKED] Certificate \"{}\" was revoked.\nReason: {}", name, plain_text(reason));
  if (!serial.empty()) event.message += fmt::format("\nSerial: {}", serial);
  event.dedup = fmt::format("revoked:{}:{}", certificate.id, serial);
  event.channels = {std::string(kWebhook), std::string(kEmail)};
  enqueue(tx, event);
}

void Notifications::needs_decision(db::Transaction& tx, const Certificate& certificate, const Job& job, std::string_view question) {
  const std::string name = shown_name(certificate);
  Event event = about(certificate);
  event.type = NotificationType::IssuanceNeedsDecision;
  event.severity = Severity::warning;
  event.facts["job_id"] = job.id;
  event.subject = subject(event.severity, fmt::format("{} of {} waits for a decision", task_of(job), name));
  event.message = fmt::format("{} of certificate \"{}\" waits for a person's decision.\nReason: {}\nJob: {}", task_of(job), name,
                              shown_error(question), job.id);
  event.action = IncidentAction::trigger;
  event.incident_key = "renewal/" + certificate.id;
  event.dedup = fmt::format("needs-decision:{}:{}", job.id, format_date(ground_.clock.now()));  // reminded daily at most
  enqueue(tx, event);
}

// --- REST ----------------------------------------------------------------------------------------------------------

store::Page<Notification> Notifications::list(const store::notifications::Filter& filter, const store::PageRequest& page) {
  return store::notifications::list(ground_.database, filter, page);
}

Notification Notifications::get(const std::string& id) {
  auto notification = store::notifications::find(ground_.database, id);
  if (!notification) throw not_found("Notification not found");
  return *std::move(notification);
}

json::Raw Notifications::attempts(const std::string& id) {
  auto attempts = store::notifications::attempts(ground_.database, id);
  if (!attempts) throw not_found("Notification not found");
  return *std::move(attempts);
}

void Notifications::mark_read(const Context& context, const std::string& id) {
  mutate(ground_, context, [&](db::Transaction& tx) {
    if (!store::notifications::mark_read(tx, id)) throw not_found("Notification not found");
    ground_.audit.record(tx, context, {"notification_read", "notification", id});
  });
}

void Notifications::requeue(const Context& context, const std::string& id) {
  mutate(ground_, context, [&](db::Transaction& tx) {
    if (!store::notifications::requeue(tx, id, kRequeueHold)) {
      if (!store::notifications::find(tx, id)) throw not_found("Notification not found");
      throw conflict("Notification is not dead", "wrong_state");
    }
    ground_.audit.record(tx, context, {"notification_requeued", "notification", id});
  });
}

}  // namespace certctl::service
