#include "core/api/jobs.hpp"

#include "core/api/resource.hpp"
#include "core/base/time.hpp"

namespace certctl::api {

void add_job_routes(http::Router& router, service::Jobs& jobs, service::AgentWork& work) {
  router.add("GET", "/api/v1/jobs", {.area = "jobs", .summary = "List jobs"}, [&](http::Request& r) {
    const auto page = page_of(r);
    const store::jobs::Filter filter{query_of(r, "status"), query_of(r, "type"), query_of(r, "certificate_id"), query_of(r, "target_id"),
                                     query_of(r, "agent_id")};
    return list(jobs.list(filter, page), page);
  });
  router.add("GET", "/api/v1/jobs/{id}", {.area = "jobs", .summary = "Get a job"},
             [&](http::Request& r) { return object(200, jobs.get(r.parameter("id"))); });
  router.add("POST", "/api/v1/jobs/{id}/cancel", {.area = "jobs", .summary = "Cancel a job"}, [&](http::Request& r) {
    jobs.cancel(Call(r), r.parameter("id"));
    return status_word(200, "job_cancelled");
  });
  router.add("POST", "/api/v1/jobs/{id}/retry", {.success = 202, .area = "jobs", .summary = "Start a failed job again"}, [&](http::Request& r) {
    jobs.retry(Call(r), r.parameter("id"));
    return status_word(202, "job_retried");
  });
  router.add("POST", "/api/v1/jobs/{id}/resolve", {.admin = true, .area = "jobs", .summary = "Say what a CA did whose answer was lost"},
             [&](http::Request& r) {
               const auto body = body_of(r);
               const service::Jobs::Resolution resolution{json::text_or(body, "outcome"), json::text_or(body, "pem_chain"), json::text_or(body, "note")};
               jobs.resolve(Call(r), r.parameter("id"), resolution);
               return status_word(200, "issuance_resolved");
             });
  router.add("POST", "/api/v1/jobs/{id}/verify", {.auth = http::Auth::agent, .agent_parameter = "", .area = "jobs", .summary = "Report what is served"},
             [&](http::Request& r) {
               const auto result = work.verify(Call(r), r.parameter("id"), body_of(r));
               json::Writer out;
               out.begin_object().field("job_id", result.job_id).field("verified", result.verified).field("verified_at", *result.verified_at).end_object();
               return http::json(200, out.take());
             });
  router.add("GET", "/api/v1/jobs/{id}/verification", {.area = "jobs", .summary = "What is served, as last reported"}, [&](http::Request& r) {
    const auto result = work.verification(r.parameter("id"));
    json::Writer out;
    out.begin_object().field("job_id", result.job_id).field("target_id", result.target_id).field("expected_fingerprint", result.expected);
    out.field("actual_fingerprint", result.actual).field("verified", result.verified);
    out.field("verified_at", result.verified_at ? format_time(*result.verified_at) : std::string(kZeroTimeText));
    if (!result.error.empty()) out.field("error", result.error);
    out.end_object();
    return http::json(200, out.take());
  });
}

}  // namespace certctl::api
