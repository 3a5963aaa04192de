#pragma once

#include "core/http/router.hpp"
#include "core/service/owners.hpp"

namespace certctl::api {

void add_owner_routes(http::Router& router, service::Owners& owners);

}  // namespace certctl::api
