#pragma once

#include <openssl/x509.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "names.hpp"
#include "plugins/common/openssl.hpp"
#include "request.hpp"
#include "usage.hpp"

namespace certctl::local {

using Certificate = common::Owned<X509, X509_free>;

/// Every certificate of a PEM text, in its order. Throws Error(invalid_config).
std::vector<Certificate> parse_chain(std::string_view pem);

/// Seconds since 1970.
std::int64_t not_after(const X509* certificate);
std::int64_t not_before(const X509* certificate);
/// Of the subject, for messages.
std::string display_name(const X509* certificate);
/// RFC 7093 §2 method 1: leftmost 160 bits of the SHA-256 over the subjectPublicKey bits.
std::string key_identifier(const ASN1_BIT_STRING* public_key);

/// Everything that goes into a leaf (ca-crl-ocsp.md §5.3–5.5).
struct LeafPlan {
  const X509_REQ* request = nullptr;
  const X509* issuer = nullptr;
  Name subject;
  NameSet names;
  Usage usage;
  std::string serial;           ///< lower hex
  std::int64_t not_before = 0;  ///< seconds since 1970
  std::int64_t not_after = 0;
  std::vector<std::string> crl_urls;
  std::vector<std::string> ocsp_urls;
  std::vector<std::string> ca_issuers_urls;
  std::vector<std::string> policies;  ///< dotted OIDs
  bool must_staple = false;
  bool basic_constraints = false;
};

/// The certificate without its signature. Throws Error.
Certificate build_leaf(const LeafPlan& plan);

/// Throws Error(invalid_request) `SAN "<x>" violates CA name constraints` unless every CA of the chain allows the leaf
/// (RFC 5280 §4.2.1.10).
void check_name_constraints(X509* leaf, const NameSet& names, const std::vector<Certificate>& chain);

}  // namespace certctl::local
