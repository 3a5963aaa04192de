#pragma once

#include <catch2/catch.hpp>

#include <string>

#include "core/base/json.hpp"
#include "core/http/router.hpp"

namespace certctl::api::testing {

/// One request straight to its handler, without the listener and the chain in front of it.
inline http::Response ask(const http::Router& router, const std::string& method, const std::string& path, std::string body = {},
                          http::Principal principal = {http::Principal::Kind::user, "ada", false, false}) {
  const auto match = router.match(method, path);
  REQUIRE(match.route != nullptr);
  http::Request request;
  request.method = method;
  request.path = path;
  request.body = std::move(body);
  request.request_id = "req-1";
  request.principal = std::move(principal);
  request.route = match.route;
  for (std::size_t i = 0; i < match.values.size(); ++i) request.parameters[match.route->parameter_names[i]] = match.values[i];
  return std::get<http::Handler>(match.route->handler)(request);
}

inline json::Document parsed(const http::Response& response) { return json::parse(response.body); }

}  // namespace certctl::api::testing
