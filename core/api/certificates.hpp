#pragma once

#include "core/http/router.hpp"
#include "core/service/certificates.hpp"
#include "core/service/revocation.hpp"

namespace certctl::api {

void add_certificate_routes(http::Router& router, service::Certificates& certificates, service::Revocation& revocation);

}  // namespace certctl::api
