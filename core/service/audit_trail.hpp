#pragma once

#include "core/db/database.hpp"
#include "core/store/audit.hpp"

namespace certctl::service {

/// Reads what Audit writes.
class AuditTrail {
 public:
  explicit AuditTrail(db::Database& database) : database_(database) {}

  /// Newest first.
  store::Page<domain::AuditEvent> list(const store::audit::Filter& filter, const store::PageRequest& page);
  /// By event id; else the newest event about the resource of that id. 404 `Audit event not found`.
  domain::AuditEvent get(const std::string& id);

 private:
  db::Database& database_;
};

}  // namespace certctl::service
