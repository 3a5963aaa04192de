#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "core/base/json.hpp"
#include "core/domain/described.hpp"
#include "core/http/request.hpp"
#include "core/http/response.hpp"
#include "core/http/router.hpp"
#include "core/service/context.hpp"
#include "core/store/page.hpp"

/// What every REST resource needs: a handler parses, calls one service function, writes.
namespace certctl::api {

/// The request as services see it; lives as long as the handler runs. A service that commits the call's audit event with
/// its change marks it recorded, and the HTTP chain then writes none.
class Call {
 public:
  explicit Call(http::Request& request);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  const service::Context& context() const { return context_; }
  /// For the services' signature: `teams.create(call, …)`.
  operator const service::Context&() const { return context_; }

 private:
  http::Request& request_;
  service::ApiCall call_;
  service::Context context_;
};

service::Actor actor_of(const http::Request& request);

/// The JSON body; empty, or not JSON: 400 `Invalid request body: …` with the position.
json::Document body_of(const http::Request& request);
/// The same, but an empty body (whatever the Content-Type) is `{}`.
json::Document optional_body_of(const http::Request& request);

/// `page` (from 1) and `per_page` (50, 1…500); anything else counts as the default.
store::PageRequest page_of(const http::Request& request, std::string_view size_parameter = "per_page");
/// First value of a query parameter; "" when absent.
std::string query_of(const http::Request& request, std::string_view name);
/// RFC 3339, or a date alone (00:00 UTC); absent or empty: nullopt; else 400 naming the parameter.
std::optional<Time> time_of(const http::Request& request, std::string_view name);

template <domain::Described T>
http::Response object(int status, const T& value) {
  return http::json(status, domain::to_json(value));
}

/// `{"status": "<word>", …}`; further members in order.
http::Response status_word(int status, std::string_view word,
                           std::initializer_list<std::pair<std::string_view, std::string>> more = {});

/// `{"data": […], "total", "page", "per_page"}`.
template <domain::Described T>
http::Response list(const store::Page<T>& page, const store::PageRequest& request) {
  json::Writer out;
  out.begin_object().key("data").begin_array();
  for (const auto& row : page.rows) domain::write_json(out, row);
  out.end_array().field("total", page.total).field("page", request.page).field("per_page", request.per_page).end_object();
  return http::json(200, out.take());
}

/// Tables that drop-downs rely on to come whole (REST sheet §2.6): up to 500 rows, `per_page` absent, 50 or ≥ 100 →
/// page 1 holds all rows, later pages none, `per_page` is echoed. `fetch` lists one page.
template <typename Fetch>
http::Response whole_list(const http::Request& request, Fetch&& fetch) {
  const store::PageRequest asked = page_of(request);
  const bool may_be_whole = asked.per_page == 50 || asked.per_page >= 100;
  auto page = fetch(may_be_whole ? store::PageRequest{asked.page, 500} : asked);
  if (may_be_whole && page.total > 500) page = fetch(asked);
  return list(page, asked);
}

}  // namespace certctl::api
