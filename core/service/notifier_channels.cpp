#include "core/service/notifier_channels.hpp"

#include <fmt/format.h>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/plugin/connector.hpp"
#include "core/plugin/instance.hpp"
#include "core/store/notification_channels.hpp"

namespace certctl::service {

std::string EnvironmentChannel::id() const { return "nc-env-" + lower(type); }

EnvironmentChannel webhook_channel(const std::string& url, const Secret& secret) {
  if (!starts_with_ignore_case(url, "https://") && !starts_with_ignore_case(url, "http://"))
    throw invalid("CERTCTL_WEBHOOK_URL must begin with https:// (or http:// on a trusted network)");
  EnvironmentChannel channel{"Webhook", {}, {}};
  json::Writer config;
  config.begin_object().field("url", url);
  if (!secret.empty()) config.field("secret", "CERTCTL_WEBHOOK_SECRET");
  channel.config.text = config.end_object().take();
  if (!secret.empty()) channel.secrets.emplace("/secret", secret.clone());
  return channel;
}

NotifierChannels::NotifierChannels(const plugin::Host& host, std::shared_ptr<plugin::Services> services,
                                   std::vector<EnvironmentChannel> environment)
    : host_(host), services_(std::move(services)) {
  for (auto& channel : environment) {
    const std::string id = channel.id();
    environment_.emplace(id, std::move(channel));
  }
}

void NotifierChannels::sync(db::Database& database) const {
  std::vector<store::notification_channels::Environment> rows;
  for (const auto& [id, channel] : environment_) rows.push_back({id, channel.type});
  database.transaction([&](db::Transaction& tx) { store::notification_channels::sync_environment(tx, rows); });
}

NotificationSender::Channels NotifierChannels::for_sender() {
  return {[this](const auto& channel) { return knows(channel); }, [this](const auto& channel) { return instance(channel); }};
}

bool NotifierChannels::knows(const domain::NotificationChannel& channel) const { return environment_.contains(channel.id); }

std::shared_ptr<plugin::Instance> NotifierChannels::instance(const domain::NotificationChannel& channel) {
  std::scoped_lock lock(mutex_);
  auto& instance = instances_[channel.id];
  if (instance && !instance->poisoned()) return instance;
  instance.reset();
  const auto found = environment_.find(channel.id);
  if (found == environment_.end()) throw unavailable(fmt::format("this server has no settings for channel {}", channel.id));
  const EnvironmentChannel& settings = found->second;
  const plugin::Connector* connector = host_.find("notifier", settings.type);
  if (connector == nullptr)
    throw unavailable(fmt::format("no installed plugin carries {} messages; look at CERTCTL_PLUGIN_DIR", settings.type));

  plugin::InstanceOptions options;
  options.id = channel.id;
  options.config = settings.config;
  options.services = services_;
  options.resolve_secret = [&settings](std::string_view pointer, std::string_view value) {
    const auto secret = settings.secrets.find(std::string(pointer));
    return secret == settings.secrets.end() ? Secret::copy_of(value) : secret->second.clone();
  };
  instance = connector->create(std::move(options));
  return instance;
}

}  // namespace certctl::service
