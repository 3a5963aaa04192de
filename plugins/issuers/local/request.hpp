#pragma once

#include <openssl/x509.h>

#include <string>
#include <string_view>
#include <vector>

#include "names.hpp"
#include "plugins/common/openssl.hpp"

namespace certctl::local {

using Request = common::Owned<X509_REQ, X509_REQ_free>;

/// Parses one PKCS#10 request (RFC 2986), PEM or DER, and checks its signature and key in the order and with the texts of
/// ca-crl-ocsp.md §5.2. Throws Error(invalid_request).
Request parse_request(std::string_view pem);
Request parse_request_der(std::string_view der);

/// The subject's common name, the last one; empty: none. Throws when it could pass for another name.
std::string common_name(const X509_REQ* request);

/// The names the request asks for, in its order. Throws for deceptive and malformed ones, and for kinds that this CA does
/// not certify.
void add_requested_names(X509_REQ* request, NameSet& names);

using Name = common::Owned<X509_NAME, X509_NAME_free>;

/// What becomes of the request's subject: known attributes in their order and encoding, within their bounds (X.520). A
/// common name beyond 64 characters is left out when a SAN carries it. `dropped`: attributes that were not taken over.
Name certified_subject(const X509_REQ* request, const NameSet& names, std::vector<std::string>& dropped);

}  // namespace certctl::local
