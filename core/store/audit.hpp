#pragma once

#include <optional>
#include <span>

#include "core/db/executor.hpp"
#include "core/domain/audit_event.hpp"
#include "core/store/page.hpp"

namespace certctl::store::audit {

/// Texts over 255 characters are cut (the full value belongs into `details`).
void insert(db::Executor db, const domain::AuditEvent& event, const std::string& request_id);
/// One statement for all.
void insert_all(db::Executor db, std::span<const domain::AuditEvent> events);

struct Filter {
  std::string actor, actor_type, action, resource_type, resource_id;
  std::optional<Time> from, to;
};
/// Newest first.
Page<domain::AuditEvent> list(db::Executor db, const Filter& filter, const PageRequest& page);
std::optional<domain::AuditEvent> find(db::Executor db, const std::string& id);
/// Upstream's meaning of an audit id: the newest event about that resource.
std::optional<domain::AuditEvent> find_about(db::Executor db, const std::string& resource_id);

}  // namespace certctl::store::audit
