#pragma once

#include "core/http/router.hpp"
#include "core/service/audit_trail.hpp"

namespace certctl::api {

/// Reading only: what was recorded is never changed.
void add_audit_routes(http::Router& router, service::AuditTrail& trail);

}  // namespace certctl::api
