#include "core/api/targets.hpp"

#include "core/api/resource.hpp"
#include "core/api/sealing.hpp"

namespace certctl::api {

void add_target_routes(http::Router& router, service::Targets& targets) {
  const std::string area = "targets";
  router.add("GET", "/api/v1/targets", {.area = area, .summary = "List targets"}, [&](http::Request& r) {
    return whole_list(r, [&](const store::PageRequest& page) { return targets.list(page); });
  });
  router.add("POST", "/api/v1/targets", {.success = 201, .area = area, .summary = "Create a target"}, [&](http::Request& r) {
    return with_sealing(r, "Failed to create target", [&] { return object(201, targets.create(Call(r), body_of(r))); });
  });
  router.add("GET", "/api/v1/targets/{id}", {.area = area, .summary = "Get a target"}, [&](http::Request& r) {
    return object(200, targets.get(r.parameter("id")));
  });
  router.add("PUT", "/api/v1/targets/{id}", {.area = area, .summary = "Change a target"}, [&](http::Request& r) {
    return with_sealing(r, "Failed to update target",
                        [&] { return object(200, targets.update(Call(r), r.parameter("id"), body_of(r))); });
  });
  router.add("DELETE", "/api/v1/targets/{id}", {.success = 204, .area = area, .summary = "Delete a target"}, [&](http::Request& r) {
    targets.remove(Call(r), r.parameter("id"));
    return http::no_content();
  });
  router.add("POST", "/api/v1/targets/{id}/test", {.area = area, .summary = "Ask whether a target's agent is there"}, [&](http::Request& r) {
    const auto result = targets.test(Call(r), r.parameter("id"));
    return status_word(200, result.success ? "success" : "failed", {{"message", result.message}});
  });
}

}  // namespace certctl::api
