#include "core/api/issuers.hpp"

#include "core/api/resource.hpp"
#include "core/api/sealing.hpp"

namespace certctl::api {
namespace {

void write_checks(json::Writer& out, const service::Issuers::TestReport& report) {
  out.key("checks").begin_array();
  for (const auto& check : report.checks) {
    out.begin_object().field("name", check.name).field("ok", check.ok).field("message", check.message).end_object();
  }
  out.end_array().field("latency_ms", std::int64_t(report.latency.count()));
}

http::Response test_answer(const http::Request& request, const service::Issuers::TestReport& report) {
  json::Writer out;
  out.begin_object();
  if (report.success) {
    out.field("status", "connection_successful");
    if (report.ca_not_after) out.field("ca_not_after", *report.ca_not_after);
    write_checks(out, report);
    out.end_object();
    return http::json(200, out.take());
  }
  out.field("error", http::reason_phrase(500)).field("message", "Connection test failed").field("request_id", request.request_id);
  out.field("code", "upstream_error").field("kind", report.kind).field("detail", report.detail);
  write_checks(out, report);
  out.end_object();
  return http::json(500, out.take());
}

}  // namespace

void add_issuer_routes(http::Router& router, service::Issuers& issuers) {
  const std::string area = "issuers";
  router.add("GET", "/api/v1/issuers", {.area = area, .summary = "List issuers"}, [&](http::Request& r) {
    return whole_list(r, [&](const store::PageRequest& page) { return issuers.list(page); });
  });
  router.add("POST", "/api/v1/issuers", {.success = 201, .area = area, .summary = "Create an issuer"}, [&](http::Request& r) {
    return with_sealing(r, "Failed to create issuer", [&] { return object(201, issuers.create(Call(r), body_of(r))); });
  });
  router.add("GET", "/api/v1/issuers/{id}", {.area = area, .summary = "Get an issuer"}, [&](http::Request& r) {
    return object(200, issuers.get(r.parameter("id")));
  });
  router.add("PUT", "/api/v1/issuers/{id}", {.area = area, .summary = "Change an issuer"}, [&](http::Request& r) {
    return with_sealing(r, "Failed to update issuer",
                        [&] { return object(200, issuers.update(Call(r), r.parameter("id"), body_of(r))); });
  });
  router.add("DELETE", "/api/v1/issuers/{id}", {.success = 204, .area = area, .summary = "Delete an issuer"}, [&](http::Request& r) {
    issuers.remove(Call(r), r.parameter("id"));
    return http::no_content();
  });
  router.add("POST", "/api/v1/issuers/{id}/test", {.area = area, .summary = "Reach an issuer's CA"}, [&](http::Request& r) {
    return test_answer(r, issuers.test(Call(r), r.parameter("id")));
  });
}

}  // namespace certctl::api
