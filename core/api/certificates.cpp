#include "core/api/certificates.hpp"

#include <fmt/format.h>

#include "core/api/resource.hpp"
#include "core/base/error.hpp"
#include "core/base/text.hpp"

namespace certctl::api {
namespace {

store::certificates::Filter filter_of(const http::Request& r) {
  store::certificates::Filter filter;
  filter.status = query_of(r, "status");
  filter.environment = query_of(r, "environment");
  filter.owner_id = query_of(r, "owner_id");
  filter.team_id = query_of(r, "team_id");
  filter.issuer_id = query_of(r, "issuer_id");
  filter.profile_id = query_of(r, "profile_id");
  filter.agent_id = query_of(r, "agent_id");
  filter.expires_before = time_of(r, "expires_before");
  filter.expires_after = time_of(r, "expires_after");
  filter.created_after = time_of(r, "created_after");
  filter.updated_after = time_of(r, "updated_after");
  std::string sort = query_of(r, "sort");
  if (sort.empty()) return filter;
  filter.descending = query_of(r, "sort_desc") == "true";
  if (sort[0] == '-') {
    filter.descending = true;
    sort.erase(0, 1);
  }
  filter.sort = store::certificates::sort_column(sort);
  if (filter.sort.empty()) throw invalid_field("sort", "unknown", fmt::format("unknown sort key: {}", printable(shorten(sort, 64))));
  return filter;
}

bool force_of(http::Request& r) {
  const std::string query = query_of(r, "force");
  if (query == "true" || query == "1") return true;
  const auto body = optional_body_of(r);
  const auto* force = json::find(body, "force");
  if (force == nullptr || force->IsNull()) return false;
  if (!force->IsBool()) throw invalid_field("/force", "type", "Invalid request body: force must be a boolean");
  return force->GetBool();
}

http::Response renewal_answer(std::string_view word, const service::Certificates::Renewal& renewal) {
  json::Writer out;
  out.begin_object().field("status", word).field("job_id", renewal.job_id).field("job_status", renewal.job_status);
  if (!renewal.warnings.empty()) out.field("warnings", renewal.warnings);
  out.end_object();
  return http::json(202, out.take());
}

}  // namespace

void add_certificate_routes(http::Router& router, service::Certificates& certificates, service::Revocation& revocation) {
  router.add("GET", "/api/v1/certificates", {.area = "certificates", .summary = "List certificates"}, [&](http::Request& r) {
    const bool sized = !query_of(r, "page_size").empty();
    const auto page = page_of(r, sized ? "page_size" : "per_page");
    return list(certificates.list(filter_of(r), page), page);
  });
  router.add("POST", "/api/v1/certificates", {.success = 201, .area = "certificates", .summary = "Create a certificate"}, [&](http::Request& r) {
    return object(201, certificates.create(Call(r), body_of(r)));
  });
  router.add("GET", "/api/v1/certificates/{id}", {.area = "certificates", .summary = "Get a certificate"}, [&](http::Request& r) {
    return object(200, certificates.get(r.parameter("id")));
  });
  router.add("PUT", "/api/v1/certificates/{id}", {.area = "certificates", .summary = "Change a certificate"}, [&](http::Request& r) {
    return object(200, certificates.update(Call(r), r.parameter("id"), body_of(r)));
  });
  router.add("DELETE", "/api/v1/certificates/{id}", {.success = 204, .area = "certificates", .summary = "Archive a certificate"},
             [&](http::Request& r) {
               certificates.archive(Call(r), r.parameter("id"));
               return http::no_content();
             });
  router.add("GET", "/api/v1/certificates/{id}/versions", {.area = "certificates", .summary = "List what was issued"}, [&](http::Request& r) {
    const auto page = page_of(r);
    return list(certificates.versions(r.parameter("id"), page), page);
  });
  router.add("GET", "/api/v1/certificates/{id}/deployments", {.area = "certificates", .summary = "List the targets"}, [&](http::Request& r) {
    const auto targets = certificates.targets(r.parameter("id"));
    json::Writer out;
    out.begin_object().key("data").begin_array();
    for (const auto& target : targets) domain::write_json(out, target);
    out.end_array().field("total", std::uint64_t(targets.size())).end_object();
    return http::json(200, out.take());
  });
  router.add("POST", "/api/v1/certificates/{id}/renew", {.success = 202, .area = "certificates", .summary = "Renew now"}, [&](http::Request& r) {
    return renewal_answer("renewal_triggered", certificates.renew(Call(r), r.parameter("id"), force_of(r)));
  });
  router.add("POST", "/api/v1/certificates/{id}/reissue", {.success = 202, .area = "certificates", .summary = "Issue anew, also after expiry or revocation"},
             [&](http::Request& r) { return renewal_answer("reissue_triggered", certificates.reissue(Call(r), r.parameter("id"))); });
  router.add("POST", "/api/v1/certificates/{id}/deploy", {.success = 202, .area = "certificates", .summary = "Deploy the current version"},
             [&](http::Request& r) {
               const auto body = optional_body_of(r);
               const auto ids = certificates.deploy(Call(r), r.parameter("id"), json::text_or(body, "target_id"));
               json::Writer out;
               out.begin_object().field("status", "deployment_triggered").field("job_ids", ids).end_object();
               return http::json(202, out.take());
             });
  router.add("POST", "/api/v1/certificates/{id}/revoke", {.area = "certificates", .summary = "Revoke"}, [&](http::Request& r) {
    revocation.revoke(Call(r), r.parameter("id"), service::Revocation::parse(optional_body_of(r)));
    return status_word(200, "revoked");
  });
}

}  // namespace certctl::api
