#include "core/api/teams.hpp"

#include "core/api/resource.hpp"

namespace certctl::api {

void add_team_routes(http::Router& router, service::Teams& teams) {
  router.add("GET", "/api/v1/teams", {.area = "teams", .summary = "List teams"}, [&](http::Request& r) {
    return whole_list(r, [&](const store::PageRequest& page) { return teams.list(page); });
  });
  router.add("POST", "/api/v1/teams", {.success = 201, .area = "teams", .summary = "Create a team"}, [&](http::Request& r) {
    return object(201, teams.create(Call(r), body_of(r)));
  });
  router.add("GET", "/api/v1/teams/{id}", {.area = "teams", .summary = "Get a team"}, [&](http::Request& r) {
    return object(200, teams.get(r.parameter("id")));
  });
  router.add("PUT", "/api/v1/teams/{id}", {.area = "teams", .summary = "Change a team"}, [&](http::Request& r) {
    return object(200, teams.update(Call(r), r.parameter("id"), body_of(r)));
  });
  router.add("DELETE", "/api/v1/teams/{id}", {.success = 204, .area = "teams", .summary = "Delete a team"}, [&](http::Request& r) {
    teams.remove(Call(r), r.parameter("id"));
    return http::no_content();
  });
}

}  // namespace certctl::api
