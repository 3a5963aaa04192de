#pragma once

#include <string_view>

#include "core/base/error.hpp"
#include "core/http/response.hpp"

namespace certctl::http {

int status_of(ErrorKind kind);

/// `{"error":"<reason phrase>","message":…,"request_id":…,"code":…,"errors":[…]?}` with Retry-After where the error has
/// one. The message of `internal` is replaced by a general one (the caller logs the true one).
Response error_response(const Error& error, std::string_view request_id);

/// The same envelope for a status that no Error stands for. Empty `code`: the kind's own word.
Response error_response(int status, std::string_view message, std::string_view request_id, std::string_view code = {});

/// Same members, but `error` is a given text instead of the reason phrase (401, 429, 500 of upstream's middleware).
Response error_response_with_text(int status, std::string_view error, std::string_view message,
                                  std::string_view request_id, std::string_view code);

/// The answer to the exception in flight (call inside a catch block): Error as above, anything else is logged and
/// answered with a general 500.
Response current_exception_response(std::string_view request_id);

}  // namespace certctl::http
