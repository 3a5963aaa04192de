#include "core/api/audit.hpp"

#include "core/api/resource.hpp"

namespace certctl::api {

void add_audit_routes(http::Router& router, service::AuditTrail& trail) {
  router.add("GET", "/api/v1/audit", {.area = "audit", .summary = "List audit events"}, [&](http::Request& r) {
    const store::audit::Filter filter{query_of(r, "actor"),         query_of(r, "actor_type"),  query_of(r, "action"),
                                      query_of(r, "resource_type"), query_of(r, "resource_id"), time_of(r, "from"),
                                      time_of(r, "to")};
    const auto page = page_of(r);
    return list(trail.list(filter, page), page);
  });
  router.add("GET", "/api/v1/audit/{id}", {.area = "audit", .summary = "Get an audit event, or the newest about a resource"},
             [&](http::Request& r) { return object(200, trail.get(r.parameter("id"))); });
}

}  // namespace certctl::api
