#pragma once

#include "core/http/router.hpp"
#include "core/service/renewal_policies.hpp"

namespace certctl::api {

void add_renewal_policy_routes(http::Router& router, service::RenewalPolicies& policies);

}  // namespace certctl::api
