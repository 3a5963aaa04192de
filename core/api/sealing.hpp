#pragma once

#include <string_view>

#include "core/base/error.hpp"
#include "core/http/error_response.hpp"
#include "core/http/request.hpp"

namespace certctl::api {

/// Runs `f`. Settings that cannot be sealed for want of a passphrase are the operator's fault, not a defect: the 500 keeps
/// upstream's words (`failure`) and the code that names the remedy.
template <typename F>
http::Response with_sealing(const http::Request& request, std::string_view failure, F&& f) {
  try {
    return f();
  } catch (const Error& e) {
    if (e.code() != "sealing_key_missing") throw;
    return http::error_response(500, failure, request.request_id, e.code());
  }
}

}  // namespace certctl::api
