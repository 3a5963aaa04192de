#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/db/database.hpp"
#include "core/domain/certificate.hpp"
#include "core/domain/job.hpp"
#include "core/domain/notification.hpp"
#include "core/domain/renewal_policy.hpp"
#include "core/domain/target.hpp"
#include "core/service/mutation.hpp"
#include "core/store/notifications.hpp"
#include "core/store/page.hpp"

namespace certctl::service {

/// Which successes are told (`CERTCTL_NOTIFY_ON_SUCCESS`).
enum class NotifyOnSuccess { none, renewal, all };

struct NotificationSettings {
  NotifyOnSuccess on_success = NotifyOnSuccess::renewal;
  std::string default_owner_email{};  ///< for certificates whose owner and team have no address
  std::string public_url{};           ///< root of links in messages; empty: no links
};

/// What a message means for the incident of its key: PagerDuty and its like open and close by it.
enum class IncidentAction { info, trigger, resolve };

/// Something that people are told. Texts are finished: foreign data in them has gone through plain_text().
struct Event {
  domain::NotificationType type;
  domain::Severity severity = domain::Severity::informational;
  std::string certificate_id;  ///< empty: not about a certificate
  std::string owner_id;
  std::string team_id;
  std::string subject;
  std::string message;
  IncidentAction action = IncidentAction::info;
  std::string incident_key;
  /// What happened, so that telling it twice makes one message a channel and recipient; empty: never the same twice.
  std::string dedup;
  std::map<std::string, std::string> facts;  ///< for programs: `common_name`, `serial`, `not_after`, …
  /// Channel types that get it. The default webhook channel, where one is configured, gets every event besides.
  std::vector<std::string> channels{"Email"};
};

/// Tells people what happened, and shows and revives what was told.
///
/// Enqueuing writes rows in the transaction of the change that they tell of, and does no I/O; NotificationSender
/// delivers them after the commit.
class Notifications {
 public:
  Notifications(Ground ground, NotificationSettings settings) : ground_(ground), settings_(std::move(settings)) {}

  // --- in the transaction of the change ---

  void renewal_success(db::Transaction& tx, const domain::Certificate& certificate, const domain::CertificateVersion& version);
  /// `exhausted`: the job's last attempt is used.
  void renewal_failure(db::Transaction& tx, const domain::Certificate& certificate, const domain::Job& job, std::string_view error,
                       bool exhausted);
  void deployment_success(db::Transaction& tx, const domain::Certificate& certificate, const domain::Target& target,
                          const domain::Job& job);
  /// `rollback_failed`: the target may serve neither the new nor the old certificate.
  void deployment_failure(db::Transaction& tx, const domain::Certificate& certificate, const domain::Target& target,
                          const domain::Job& job, std::string_view error, bool rollback_failed = false);
  void revocation(db::Transaction& tx, const domain::Certificate& certificate, std::string_view serial, std::string_view reason);
  /// What became of a request to the CA is unknown, or the CA wants a person.
  void needs_decision(db::Transaction& tx, const domain::Certificate& certificate, const domain::Job& job, std::string_view question);

  void enqueue(db::Transaction& tx, const Event& event);

  // --- REST ---

  store::Page<domain::Notification> list(const store::notifications::Filter& filter, const store::PageRequest& page);
  domain::Notification get(const std::string& id);  ///< 404 `Notification not found`
  /// JSON array of what was tried.
  json::Raw attempts(const std::string& id);
  /// Any status: an unsent one is delivered all the same and becomes `read` then; a dead one stays dead.
  void mark_read(const Context& context, const std::string& id);
  /// Failed, dead or never delivered ones start anew; else 409 `Notification is not dead`.
  void requeue(const Context& context, const std::string& id);

 private:
  Event about(const domain::Certificate& certificate) const;
  Ground ground_;
  NotificationSettings settings_;
};

}  // namespace certctl::service
