#pragma once

#include "core/domain/described.hpp"
#include "core/domain/enums.hpp"

namespace certctl::domain {

/// One message for one channel and recipient.
struct Notification {
  std::string id;
  std::string type;
  OptionalText certificate_id;
  std::string channel;
  std::string recipient;
  std::string message;
  std::optional<Time> sent_at;
  Word<NotificationStatus> status{NotificationStatus::pending};
  OptionalText error;
  std::int32_t retry_count = 0;
  std::optional<Time> next_retry_at;
  OptionalText last_error;
  std::string subject;
  std::string severity;
  std::optional<Time> read_at;
  std::optional<bool> delivered;
  OptionalText provider_ref;
  OptionalText event_id;  ///< shared by the messages of one event
  Time created_at{};
  Hidden<std::string> incident_id;
  Hidden<json::Raw> payload;
  Hidden<std::string> channel_id;
  Hidden<std::string> lease_owner;
  Hidden<std::int64_t> fence{0};
};
BOOST_DESCRIBE_STRUCT(Notification, (),
                      (id, type, certificate_id, channel, recipient, message, sent_at, status, error, retry_count,
                       next_retry_at, last_error, subject, severity, read_at, delivered, provider_ref, event_id, created_at,
                       incident_id, payload, channel_id, lease_owner, fence))

}  // namespace certctl::domain
