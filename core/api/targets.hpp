#pragma once

#include "core/http/router.hpp"
#include "core/service/targets.hpp"

namespace certctl::api {

void add_target_routes(http::Router& router, service::Targets& targets);

}  // namespace certctl::api
