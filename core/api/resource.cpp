#include "core/api/resource.hpp"

#include <fmt/format.h>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/base/time.hpp"

namespace certctl::api {

service::Actor actor_of(const http::Request& request) {
  service::Actor actor;
  actor.name = request.principal.name;
  actor.admin = request.principal.admin;
  if (request.principal.is_agent()) {
    actor.type = domain::ActorType::Agent;
    actor.agent_id = request.principal.name;
  }
  actor.sees_secrets = request.principal.is_agent() || request.principal.admin;
  return actor;
}

Call::Call(http::Request& request) : request_(request) {
  call_.method = request.method;
  call_.path = request.path;
  call_.body_hash = request.body_hash;
  call_.success_status = request.route != nullptr ? request.route->options.success : 200;
  call_.started = request.received;
  context_.actor = actor_of(request);
  context_.request_id = request.request_id;
  context_.call = &call_;
}

Call::~Call() {
  if (call_.recorded) request_.audited = true;
}

json::Document body_of(const http::Request& request) {
  if (trim(request.body).empty()) throw invalid("Invalid request body: a JSON object is expected, the body is empty");
  try {
    return json::parse(request.body);
  } catch (const Error& e) {
    throw Error(ErrorKind::invalid, fmt::format("Invalid request body: {}", e.what())).with_code("invalid_json");
  }
}

json::Document optional_body_of(const http::Request& request) {
  return trim(request.body).empty() ? json::parse("{}") : body_of(request);
}

std::string query_of(const http::Request& request, std::string_view name) { return request.query.get_or(name, ""); }

store::PageRequest page_of(const http::Request& request, std::string_view size_parameter) {
  store::PageRequest page;
  if (const auto number = parse_integer(query_of(request, "page")); number && *number >= 1 && *number < 1'000'000'000) page.page = *number;
  if (const auto size = parse_integer(query_of(request, size_parameter)); size && *size >= 1 && *size <= 500) page.per_page = *size;
  return page;
}

std::optional<Time> time_of(const http::Request& request, std::string_view name) {
  const std::string text = query_of(request, name);
  if (text.empty()) return std::nullopt;
  const auto time = parse_time(text.size() == 10 ? text + "T00:00:00Z" : text);
  if (!time) throw invalid_field(std::string(name), "type", fmt::format("{} must be an RFC 3339 time or a date", name));
  return time;
}

http::Response status_word(int status, std::string_view word, std::initializer_list<std::pair<std::string_view, std::string>> more) {
  json::Writer out;
  out.begin_object().field("status", word);
  for (const auto& [name, value] : more) {
    if (!value.empty()) out.field(name, value);
  }
  out.end_object();
  return http::json(status, out.take());
}

}  // namespace certctl::api
