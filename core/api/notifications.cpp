#include "core/api/notifications.hpp"

#include "core/api/resource.hpp"

namespace certctl::api {
namespace {

store::notifications::Filter filter_of(const http::Request& r) {
  return {query_of(r, "status"),         query_of(r, "type"),      query_of(r, "channel"), query_of(r, "severity"),
          query_of(r, "certificate_id"), query_of(r, "recipient"), query_of(r, "q"),       time_of(r, "from"),
          time_of(r, "to")};
}

}  // namespace

void add_notification_routes(http::Router& router, service::Notifications& notifications) {
  const std::string area = "notifications";
  router.add("GET", "/api/v1/notifications", {.area = area, .summary = "List notifications"}, [&](http::Request& r) {
    const auto page = page_of(r);
    return list(notifications.list(filter_of(r), page), page);
  });
  router.add("GET", "/api/v1/notifications/{id}", {.area = area, .summary = "Get a notification"}, [&](http::Request& r) {
    return object(200, notifications.get(r.parameter("id")));
  });
  router.add("GET", "/api/v1/notifications/{id}/attempts", {.area = area, .summary = "What was tried to deliver it"},
             [&](http::Request& r) { return http::json(200, notifications.attempts(r.parameter("id")).text); });
  router.add("POST", "/api/v1/notifications/{id}/read", {.area = area, .summary = "Mark a notification as read"},
             [&](http::Request& r) {
               notifications.mark_read(Call(r), r.parameter("id"));
               return status_word(200, "marked_as_read");
             });
  router.add("POST", "/api/v1/notifications/{id}/requeue", {.area = area, .summary = "Deliver a failed notification anew"},
             [&](http::Request& r) {
               notifications.requeue(Call(r), r.parameter("id"));
               return status_word(200, "requeued");
             });
}

}  // namespace certctl::api
