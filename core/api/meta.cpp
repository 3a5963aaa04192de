#include "core/api/meta.hpp"

#include <certctl/entry.h>

#include <fmt/format.h>

#include "core/api/resource.hpp"
#include "core/base/build_info.hpp"

namespace certctl::api {
namespace {

/// Answered without a key, to any origin, before all other work.
http::RouteOptions probe(std::string summary) {
  http::RouteOptions options;
  options.auth = http::Auth::none;
  options.area = "health";
  options.summary = std::move(summary);
  options.audited = false;
  options.rate_limited = false;
  options.public_cors = true;
  options.urgent = true;
  return options;
}

http::Response readiness(const Meta& meta) {
  if (meta.draining && meta.draining()) return status_word(503, "draining");
  if (!meta.database_answers()) return status_word(503, "db_unavailable");
  return status_word(200, "ready", {{"db", "reachable"}});
}

http::Response version() {
  const BuildInfo& build = build_info();
  const std::string_view release = build.version, commit = build.commit;
  json::Writer out;
  out.begin_object();
  out.field("version", !release.empty() ? release : !commit.empty() ? commit : "dev");
  out.field("commit", commit).field("modified", commit.ends_with("-dirty"));
  out.field("build_time", build.build_time).field("go_version", "").field("compiler", build.compiler);
  out.field("api_versions", std::vector<std::string>{"v1"});
  out.field("plugin_abi", fmt::format("{}.{}", CERTCTL_ABI_MAJOR, CERTCTL_ABI_MINOR));
  out.end_object();
  return http::json(200, out.take());
}

http::Response auth_info(http::AuthType type) {
  const bool required = type == http::AuthType::api_key;
  json::Writer out;
  out.begin_object().field("auth_type", required ? "api-key" : "none").field("required", required);
  out.field("version", build_info().version).end_object();
  return http::json(200, out.take());
}

http::Response who_am_i(const http::Principal& principal) {
  json::Writer out;
  out.begin_object().field("status", "authenticated").field("user", principal.known() ? principal.name : "");
  out.field("admin", principal.known() && principal.admin).end_object();
  return http::json(200, out.take());
}

}  // namespace

void add_meta_routes(http::Router& router, Meta meta) {
  router.add("GET", "/health", probe("Whether the process serves"), [](http::Request&) { return status_word(200, "healthy"); });
  router.add("GET", "/ready", probe("Whether requests can be served"), [meta](http::Request&) { return readiness(meta); });
  router.add("GET", "/api/v1/version", probe("What was built"), [](http::Request&) { return version(); });
  router.add("GET", "/api/v1/auth/info", probe("Whether a key is needed"),
             [type = meta.auth_type](http::Request&) { return auth_info(type); });
  router.add("GET", "/api/v1/auth/check", {.area = "health", .summary = "Whose key this is"},
             [](http::Request& r) { return who_am_i(r.principal); });
}

}  // namespace certctl::api
