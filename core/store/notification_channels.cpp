#include "core/store/notification_channels.hpp"

#include "core/store/rows.hpp"

namespace certctl::store::notification_channels {

using domain::NotificationChannel;

void sync_environment(db::Executor db, const std::vector<Environment>& configured) {
  std::vector<std::string> ids, types;
  for (const auto& channel : configured) {
    ids.push_back(channel.id);
    types.push_back(channel.type);
  }
  // A person may have given another channel the name of ours: ours then goes by its id.
  db.run(R"(
    INSERT INTO notification_channels (id, name, type, source)
    SELECT c.id, CASE WHEN EXISTS (SELECT 1 FROM notification_channels n WHERE n.name = c.type AND n.id <> c.id) THEN c.id ELSE c.type END,
           c.type, 'env'
      FROM unnest($1::text[], $2::text[]) AS c (id, type)
        ON CONFLICT (id) DO UPDATE SET type = excluded.type, enabled = true, source = 'env', updated_at = now()
     WHERE NOT notification_channels.enabled OR notification_channels.type <> excluded.type)", ids, types);
  db.run(R"(UPDATE notification_channels SET enabled = false, breaker = '{}', updated_at = now()
             WHERE source = 'env' AND enabled AND id <> ALL ($1::text[]))", ids);
}

std::vector<NotificationChannel> enabled(db::Executor db) {
  return from_rows<NotificationChannel>(db.run("SELECT * FROM notification_channels WHERE enabled ORDER BY source = 'env' DESC, id"));
}

std::optional<NotificationChannel> find(db::Executor db, const std::string& id) {
  return from_first<NotificationChannel>(db.run("SELECT * FROM notification_channels WHERE id = $1", id));
}

std::optional<Locked> lock(db::Transaction& tx, const std::string& id) {
  const auto result = tx.run("SELECT *, clock_timestamp() AS moment FROM notification_channels WHERE id = $1 FOR UPDATE", id);
  auto channel = from_first<NotificationChannel>(result);
  if (!channel) return std::nullopt;
  return Locked{*std::move(channel), result.front().time("moment")};
}

void store_health(db::Executor db, const NotificationChannel& channel) {
  db.run("UPDATE notification_channels SET breaker = $2::jsonb, last_success_at = $3, last_failure_at = $4 WHERE id = $1", channel.id,
         to_jsonb(channel.breaker), channel.last_success_at, channel.last_failure_at);
}

void touch_success(db::Executor db, const std::string& id) {
  db.run("UPDATE notification_channels SET last_success_at = now() WHERE id = $1", id);
}

}  // namespace certctl::store::notification_channels
