#include "core/api/profiles.hpp"

#include "core/api/resource.hpp"

namespace certctl::api {

void add_profile_routes(http::Router& router, service::Profiles& profiles) {
  router.add("GET", "/api/v1/profiles", {.area = "profiles", .summary = "List profiles"}, [&](http::Request& r) {
    return whole_list(r, [&](const store::PageRequest& page) { return profiles.list(page); });
  });
  router.add("POST", "/api/v1/profiles", {.success = 201, .area = "profiles", .summary = "Create a profile"}, [&](http::Request& r) {
    return object(201, profiles.create(Call(r), body_of(r)));
  });
  router.add("GET", "/api/v1/profiles/{id}", {.area = "profiles", .summary = "Get a profile"}, [&](http::Request& r) {
    return object(200, profiles.get(r.parameter("id")));
  });
  router.add("PUT", "/api/v1/profiles/{id}", {.area = "profiles", .summary = "Change a profile"}, [&](http::Request& r) {
    return object(200, profiles.update(Call(r), r.parameter("id"), body_of(r)));
  });
  router.add("DELETE", "/api/v1/profiles/{id}", {.success = 204, .area = "profiles", .summary = "Delete a profile"}, [&](http::Request& r) {
    profiles.remove(Call(r), r.parameter("id"));
    return http::no_content();
  });
}

}  // namespace certctl::api
