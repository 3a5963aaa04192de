#include "core/http/error_response.hpp"

#include <exception>

#include "core/base/json.hpp"
#include "core/http/messages.hpp"

namespace certctl::http {
namespace {

constexpr std::string_view kGeneral = "Internal Server Error";

Response envelope(int status, std::string_view error, std::string_view message, std::string_view request_id,
                  std::string_view code, const std::vector<FieldError>& fields) {
  json::Writer out;
  out.begin_object();
  out.field("error", error).field("message", message);
  if (!request_id.empty()) out.field("request_id", request_id);
  if (!code.empty()) out.field("code", code);
  if (!fields.empty()) {
    out.key("errors").begin_array();
    for (const auto& field : fields) {
      out.begin_object()
          .field("field", field.field)
          .field("code", field.code)
          .field("message", field.message)
          .end_object();
    }
    out.end_array();
  }
  out.end_object();
  return json(status, out.take());
}

std::string_view code_of_status(int status) {
  switch (status) {
    case 400:
      return to_text(ErrorKind::invalid);
    case 401:
      return to_text(ErrorKind::unauthenticated);
    case 403:
      return to_text(ErrorKind::forbidden);
    case 404:
      return to_text(ErrorKind::not_found);
    case 405:
      return to_text(ErrorKind::method_not_allowed);
    case 408:
      return "request_timeout";
    case 409:
      return to_text(ErrorKind::conflict);
    case 410:
      return to_text(ErrorKind::gone);
    case 413:
      return to_text(ErrorKind::too_large);
    case 415:
      return to_text(ErrorKind::unsupported_media);
    case 417:
      return "expectation_failed";
    case 422:
      return to_text(ErrorKind::policy_violation);
    case 429:
      return to_text(ErrorKind::rate_limited);
    case 431:
      return "headers_too_large";
    case 501:
      return "not_implemented";
    case 502:
      return to_text(ErrorKind::upstream);
    case 503:
      return to_text(ErrorKind::unavailable);
    case 505:
      return "version_not_supported";
    default:
      return status >= 500 ? to_text(ErrorKind::internal) : std::string_view("error");
  }
}

}  // namespace

int status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid:
      return 400;
    case ErrorKind::unauthenticated:
      return 401;
    case ErrorKind::forbidden:
      return 403;
    case ErrorKind::not_found:
      return 404;
    case ErrorKind::method_not_allowed:
      return 405;
    case ErrorKind::conflict:
      return 409;
    case ErrorKind::gone:
      return 410;
    case ErrorKind::too_large:
      return 413;
    case ErrorKind::unsupported_media:
      return 415;
    case ErrorKind::policy_violation:
      return 422;
    case ErrorKind::rate_limited:
      return 429;
    case ErrorKind::unavailable:
      return 503;
    case ErrorKind::upstream:
      return 502;
    case ErrorKind::internal:
      return 500;
  }
  return 500;
}

Response error_response(const Error& error, std::string_view request_id) {
  const int status = status_of(error.kind());
  const bool hidden = error.kind() == ErrorKind::internal;
  const std::string_view code = error.code().empty() ? to_text(error.kind()) : std::string_view(error.code());
  Response response = envelope(status, reason_phrase(status), hidden ? kGeneral : std::string_view(error.what()),
                               request_id, code, error.fields());
  if (error.retry_after())
    response.headers.set("Retry-After", std::to_string(error.retry_after()->count()));
  else if (status == 503 || status == 429)
    response.headers.set("Retry-After", "1");
  if (status == 401) response.headers.set("WWW-Authenticate", "Bearer realm=\"certctl\"");
  return response;
}

Response error_response(int status, std::string_view message, std::string_view request_id, std::string_view code) {
  return envelope(status, reason_phrase(status), message, request_id, code.empty() ? code_of_status(status) : code, {});
}

Response error_response_with_text(int status, std::string_view error, std::string_view message,
                                  std::string_view request_id, std::string_view code) {
  return envelope(status, error, message, request_id, code, {});
}

Response current_exception_response(std::string_view request_id) {
  try {
    throw;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::internal) {
      log::write(kHandlerFailed, {{"request_id", request_id}, {"error", error.what()}});
    }
    return error_response(error, request_id);
  } catch (const std::exception& error) {
    log::write(kHandlerFailed, {{"request_id", request_id}, {"error", error.what()}});
  } catch (...) {  // a handler may throw anything; the client gets the general answer, the log the fact
    log::write(kHandlerFailed, {{"request_id", request_id}, {"error", "exception of an unknown type"}});
  }
  return error_response(500, kGeneral, request_id);
}

}  // namespace certctl::http
