#pragma once

#include "core/http/router.hpp"
#include "core/service/notifications.hpp"

namespace certctl::api {

void add_notification_routes(http::Router& router, service::Notifications& notifications);

}  // namespace certctl::api
