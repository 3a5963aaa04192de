#include "core/store/audit.hpp"

#include "core/base/text.hpp"
#include "core/base/time.hpp"
#include "core/store/rows.hpp"

namespace certctl::store::audit {
namespace {

constexpr std::size_t kWidth = 255;

}  // namespace

void insert(db::Executor db, const domain::AuditEvent& event, const std::string& request_id) {
  db.run(R"(INSERT INTO audit_events (id, actor, actor_type, action, resource_type, resource_id, details, timestamp, request_id)
            VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9))",
         event.id, shorten(event.actor, kWidth), event.actor_type.text(), shorten(event.action, kWidth),
         shorten(event.resource_type, kWidth), shorten(event.resource_id, kWidth), event.details, event.timestamp, request_id);
}

void insert_all(db::Executor db, std::span<const domain::AuditEvent> events) {
  std::vector<std::string> ids, actors, types, actions, kinds, resources, details, times;
  for (const auto& event : events) {
    ids.push_back(event.id);
    actors.push_back(shorten(event.actor, kWidth));
    types.push_back(event.actor_type.text());
    actions.push_back(shorten(event.action, kWidth));
    kinds.push_back(shorten(event.resource_type, kWidth));
    resources.push_back(shorten(event.resource_id, kWidth));
    details.push_back(event.details.text);
    times.push_back(format_time(event.timestamp));
  }
  if (ids.empty()) return;
  db.run(R"(INSERT INTO audit_events (id, actor, actor_type, action, resource_type, resource_id, details, timestamp)
            SELECT i, a, y, c, k, r, d::jsonb, t::timestamptz
              FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
                   AS e(i, a, y, c, k, r, d, t))",
         ids, actors, types, actions, kinds, resources, details, times);
}

Page<domain::AuditEvent> list(db::Executor db, const Filter& filter, const PageRequest& page) {
  const auto given = [](const std::string& text) { return text.empty() ? std::optional<std::string>() : text; };
  const auto result = db.run(
      R"(SELECT id, actor, actor_type, action, resource_type, resource_id, details, timestamp, count(*) OVER () AS total
           FROM audit_events
          WHERE ($1::text IS NULL OR actor = $1) AND ($2::text IS NULL OR lower(actor_type) = lower($2))
            AND ($3::text IS NULL OR action = $3) AND ($4::text IS NULL OR resource_type = $4)
            AND ($5::text IS NULL OR resource_id = $5)
            AND ($6::timestamptz IS NULL OR timestamp >= $6) AND ($7::timestamptz IS NULL OR timestamp < $7)
          ORDER BY timestamp DESC, id
          LIMIT $8::bigint OFFSET $9::bigint)",
      given(filter.actor), given(filter.actor_type), given(filter.action), given(filter.resource_type), given(filter.resource_id),
      filter.from, filter.to, page.per_page, page.offset());
  Page<domain::AuditEvent> out{from_rows<domain::AuditEvent>(result), 0};
  if (!result.empty()) {
    out.total = result[0].integer("total");
  } else if (page.page > 1) {
    out.total = list(db, filter, {1, 1}).total;
  }
  return out;
}

std::optional<domain::AuditEvent> find(db::Executor db, const std::string& id) {
  return from_first<domain::AuditEvent>(db.run("SELECT * FROM audit_events WHERE id = $1", id));
}

std::optional<domain::AuditEvent> find_about(db::Executor db, const std::string& resource_id) {
  return from_first<domain::AuditEvent>(
      db.run("SELECT * FROM audit_events WHERE resource_id = $1 ORDER BY timestamp DESC, id LIMIT 1", resource_id));
}

}  // namespace certctl::store::audit
