#pragma once

#include "core/http/router.hpp"
#include "core/service/profiles.hpp"

namespace certctl::api {

void add_profile_routes(http::Router& router, service::Profiles& profiles);

}  // namespace certctl::api
