#include "core/api/owners.hpp"

#include "core/api/resource.hpp"

namespace certctl::api {

void add_owner_routes(http::Router& router, service::Owners& owners) {
  router.add("GET", "/api/v1/owners", {.area = "owners", .summary = "List owners"}, [&](http::Request& r) {
    return whole_list(r, [&](const store::PageRequest& page) { return owners.list(page); });
  });
  router.add("POST", "/api/v1/owners", {.success = 201, .area = "owners", .summary = "Create an owner"}, [&](http::Request& r) {
    return object(201, owners.create(Call(r), body_of(r)));
  });
  router.add("GET", "/api/v1/owners/{id}", {.area = "owners", .summary = "Get an owner"}, [&](http::Request& r) {
    return object(200, owners.get(r.parameter("id")));
  });
  router.add("PUT", "/api/v1/owners/{id}", {.area = "owners", .summary = "Change an owner"}, [&](http::Request& r) {
    return object(200, owners.update(Call(r), r.parameter("id"), body_of(r)));
  });
  router.add("DELETE", "/api/v1/owners/{id}", {.success = 204, .area = "owners", .summary = "Delete an owner"}, [&](http::Request& r) {
    owners.remove(Call(r), r.parameter("id"));
    return http::no_content();
  });
}

}  // namespace certctl::api
