#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/db/executor.hpp"
#include "core/domain/notification.hpp"
#include "core/store/page.hpp"

/// Messages and their delivery state. A row waits as `pending` (claimable, or held back until `not_before`) or as
/// `failed` with `next_retry_at`; whoever claims it holds `lease_owner` and `fence`.
namespace certctl::store::notifications {

/// A row to be; `status` is pending, or dead with `last_error`.
struct New {
  domain::Notification row;
  std::string event_id;   ///< shared by the rows of one event
  std::string dedup_key;  ///< empty: none
};
/// Rows whose dedup_key is taken are left out. Returns how many were written.
std::int64_t insert(db::Executor db, const std::vector<New>& rows);

/// Where messages to an owner can go.
struct Addresses {
  std::string owner;
  std::vector<std::string> team;  ///< of the team's other owners
};
Addresses addresses(db::Executor db, const std::string& owner_id, const std::string& team_id);

std::optional<domain::Notification> find(db::Executor db, const std::string& id);
/// JSON array, oldest first; nullopt: no such row.
std::optional<json::Raw> attempts(db::Executor db, const std::string& id);

struct Filter {
  std::string status{}, type{}, channel{}, severity{}, certificate_id{}, recipient{};
  std::string text{};  ///< part of subject or message, any letter case
  std::optional<Time> from{}, to{};  ///< of created_at, `to` exclusive
};
/// Sent ones first, newest first.
Page<domain::Notification> list(db::Executor db, const Filter& filter, const PageRequest& page);

/// False: no such row.
bool mark_read(db::Executor db, const std::string& id);
/// Held back for `hold`. False: not failed, dead or undelivered (or no such row).
bool requeue(db::Executor db, const std::string& id, Duration hold);

// --- delivery ------------------------------------------------------------------------------------------------------

struct Claimed {
  domain::Notification row;
  std::optional<Time> held_until;  ///< `not_before` as it was: the lease uses that column meanwhile
};

/// Ids of channels with claimable rows.
std::vector<std::string> channels_with_work(db::Executor db);
/// Up to `limit` claimable rows of one channel, most urgent first, leased to `owner`.
std::vector<Claimed> claim(db::Executor db, const std::string& channel_id, int limit, const std::string& owner, Duration lease);

enum class Verdict {
  sent,
  failed,    ///< tried again after `wait`
  dead,
  put_back,  ///< not tried; as before the claim
};
struct Result {
  std::string id;
  std::int64_t fence = 0;
  Verdict verdict = Verdict::put_back;
  std::int32_t retry_count = 0;
  Duration wait{};
  std::string error;
  std::string provider_ref;
  std::optional<Time> held_until;
  json::Raw attempt{"null"};  ///< entry of the attempt log; null: none
};
/// Writes those whose lease still holds; returns their ids. A read message that was sent becomes `read`.
std::vector<std::string> record(db::Executor db, const std::string& owner, const std::vector<Result>& results);

// --- sweeps: each handles up to kSlice rows and says how many it found -----------------------------------------------

inline constexpr std::int64_t kSlice = 1000;

/// `failed` and due → claimable.
std::int64_t retry_due(db::Executor db);
/// Held back and due, or under a lease that ran out → claimable.
std::int64_t promote_due(db::Executor db);

struct Routed {
  std::int64_t rows = 0;
  std::vector<std::string> without_channel;  ///< types that no enabled channel has
};
/// Rows that name no channel get an enabled one of their type. Without any, a new row counts as sent but not delivered
/// and one that is tried again as a failed attempt, dead after `max_attempts`.
Routed route(db::Executor db, int max_attempts);
/// Takes claimable rows away from a channel that is gone, so that route() sees them.
std::int64_t unroute(db::Executor db, const std::string& channel_id);
/// Claimable rows of the channel that are older than `ttl` (`critical_ttl` for critical ones) → dead.
std::int64_t expire(db::Executor db, const std::string& channel_id, Duration ttl, Duration critical_ttl);
/// Ended rows older than `age` are deleted.
std::int64_t purge(db::Executor db, Duration age);

}  // namespace certctl::store::notifications
