#pragma once

#include "core/http/router.hpp"
#include "core/service/issuers.hpp"

namespace certctl::api {

void add_issuer_routes(http::Router& router, service::Issuers& issuers);

}  // namespace certctl::api
