#pragma once

#include "core/http/router.hpp"
#include "core/service/teams.hpp"

namespace certctl::api {

void add_team_routes(http::Router& router, service::Teams& teams);

}  // namespace certctl::api
