#include "core/api/renewal_policies.hpp"

#include "core/api/resource.hpp"

namespace certctl::api {

void add_renewal_policy_routes(http::Router& router, service::RenewalPolicies& policies) {
  router.add("GET", "/api/v1/renewal-policies", {.area = "renewal-policies", .summary = "List renewal policies"}, [&](http::Request& r) {
    const auto page = page_of(r);
    return list(policies.list(page), page);
  });
  router.add("POST", "/api/v1/renewal-policies", {.success = 201, .area = "renewal-policies", .summary = "Create a renewal policy"}, [&](http::Request& r) {
    return object(201, policies.create(Call(r), body_of(r)));
  });
  router.add("GET", "/api/v1/renewal-policies/{id}", {.area = "renewal-policies", .summary = "Get a renewal policy"}, [&](http::Request& r) {
    return object(200, policies.get(r.parameter("id")));
  });
  router.add("PUT", "/api/v1/renewal-policies/{id}", {.area = "renewal-policies", .summary = "Change a renewal policy"}, [&](http::Request& r) {
    return object(200, policies.update(Call(r), r.parameter("id"), body_of(r)));
  });
  router.add("DELETE", "/api/v1/renewal-policies/{id}", {.success = 204, .area = "renewal-policies", .summary = "Delete a renewal policy"}, [&](http::Request& r) {
    policies.remove(Call(r), r.parameter("id"));
    return http::no_content();
  });
}

}  // namespace certctl::api
