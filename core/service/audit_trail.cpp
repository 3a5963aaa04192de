#include "core/service/audit_trail.hpp"

#include "core/base/error.hpp"

namespace certctl::service {

store::Page<domain::AuditEvent> AuditTrail::list(const store::audit::Filter& filter, const store::PageRequest& page) {
  return store::audit::list(database_, filter, page);
}

domain::AuditEvent AuditTrail::get(const std::string& id) {
  auto event = store::audit::find(database_, id);
  if (!event) event = store::audit::find_about(database_, id);
  if (!event) throw not_found("Audit event not found");
  return *std::move(event);
}

}  // namespace certctl::service
