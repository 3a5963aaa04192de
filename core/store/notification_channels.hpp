#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/db/executor.hpp"
#include "core/domain/notification_channel.hpp"

namespace certctl::store::notification_channels {

struct Environment {
  std::string id;  ///< `nc-env-webhook`
  std::string type;
};
/// Makes a row for each channel that the environment configures, and disables the rows of those it configures no more.
void sync_environment(db::Executor db, const std::vector<Environment>& configured);

/// By id; those of the environment first.
std::vector<domain::NotificationChannel> enabled(db::Executor db);
std::optional<domain::NotificationChannel> find(db::Executor db, const std::string& id);

/// The channel's row under a lock, with the database's time: what the breaker decides by.
struct Locked {
  domain::NotificationChannel channel;
  Time now;
};
std::optional<Locked> lock(db::Transaction& tx, const std::string& id);
/// Writes breaker, last_success_at and last_failure_at.
void store_health(db::Executor db, const domain::NotificationChannel& channel);
void touch_success(db::Executor db, const std::string& id);

}  // namespace certctl::store::notification_channels
