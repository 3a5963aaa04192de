#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/base/secret.hpp"
#include "core/db/database.hpp"
#include "core/domain/notification_channel.hpp"
#include "core/plugin/host.hpp"
#include "core/service/notification_sender.hpp"

namespace certctl::service {

/// A channel that the environment configures. Secret settings are apart, so that they never become part of a JSON text.
struct EnvironmentChannel {
  std::string type;                       ///< `Webhook`
  json::Raw config;                       ///< a secret setting stands there as any text
  std::map<std::string, Secret> secrets;  ///< JSON pointer → value

  std::string id() const;  ///< `nc-env-webhook`
};

/// Of CERTCTL_WEBHOOK_URL and CERTCTL_WEBHOOK_SECRET. Throws Error(invalid) that names the variable at fault.
EnvironmentChannel webhook_channel(const std::string& url, const Secret& secret);

/// Connects channels with the plugins that carry their messages. Thread-safe.
class NotifierChannels {
 public:
  NotifierChannels(const plugin::Host& host, std::shared_ptr<plugin::Services> services, std::vector<EnvironmentChannel> environment);

  /// Makes the rows of the environment's channels; at each start, before the first message is sent.
  void sync(db::Database& database) const;

  /// Whether this process knows the channel's settings; another replica may.
  bool knows(const domain::NotificationChannel& channel) const;
  /// Throws Error(unavailable) when no plugin has the type, and what Connector::create() throws for wrong settings.
  std::shared_ptr<plugin::Instance> instance(const domain::NotificationChannel& channel);
  /// Both, for a sender that this outlives.
  NotificationSender::Channels for_sender();

 private:
  const plugin::Host& host_;
  const std::shared_ptr<plugin::Services> services_;
  std::map<std::string, EnvironmentChannel> environment_;  ///< by id
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<plugin::Instance>> instances_;
};

}  // namespace certctl::service
