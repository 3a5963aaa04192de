#pragma once

#include "core/base/log.hpp"

namespace certctl::service::messages {

inline constexpr log::Message kNotificationSent{"NOTIFICATION_SENT", log::Level::debug, "a notification was delivered"};
inline constexpr log::Message kNotificationRetry{"NOTIFICATION_RETRY", log::Level::info,
                                                 "a notification could not be delivered and is tried again"};
inline constexpr log::Message kNotificationDead{
    "NOTIFICATION_DEAD", log::Level::warn, "a notification is given up",
    "See last_error; when the cause is gone, POST /api/v1/notifications/{id}/requeue."};
inline constexpr log::Message kNotificationExpired{
    "NOTIFICATION_EXPIRED", log::Level::warn, "notifications grew too old before their channel worked",
    "Look at the channel; those that still matter can be requeued."};
inline constexpr log::Message kNotificationLeaseLost{
    "NOTIFICATION_LEASE_LOST", log::Level::warn, "a notification was taken over while it was being sent; it may arrive twice"};
inline constexpr log::Message kNotificationUnheard{
    "NOTIFICATION_UNHEARD", log::Level::warn, "notifications were not sent: no channel of their type is configured",
    "Configure one (docs/operator/notifications.md), then requeue those that matter."};
inline constexpr log::Message kChannelPaused{"CHANNEL_PAUSED", log::Level::warn, "a notification channel rests after failures",
                                             "See error; messages wait and are sent when the channel works again."};
inline constexpr log::Message kChannelBack{"CHANNEL_BACK", log::Level::info, "a notification channel works again"};

}  // namespace certctl::service::messages
