#pragma once

#include <openssl/types.h>

#include "core/http/api_keys.hpp"

namespace certctl::http {

/// The OpenSSL library context of this folder's own calls; plugins and Poco use the default one. Never freed.
OSSL_LIB_CTX* library_context();

Digest sha256(std::string_view bytes);

}  // namespace certctl::http
