#pragma once

#include <openssl/x509.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/text.hpp"
#include "core/crypto/key.hpp"
#include "core/crypto/san.hpp"

namespace certctl::crypto {

/// A PKCS#10 request (RFC 2986) whose signature has been checked. Cheap to copy, immutable.
class CertificateRequest {
 public:
  /// One block `CERTIFICATE REQUEST` or `NEW CERTIFICATE REQUEST`. Throws Error(invalid) with the texts of
  /// ca-crl-ocsp.md §5.2: `invalid CSR PEM format`, `invalid CSR: …`, `CSR signature verification failed`.
  static CertificateRequest from_pem(std::string_view pem);
  static CertificateRequest from_der(std::span<const std::uint8_t> der);

  Bytes der() const;
  std::string pem() const;  ///< `CERTIFICATE REQUEST`, canonical

  std::string subject() const;      ///< RFC 4514 in Go's order, see Certificate::subject()
  std::string common_name() const;  ///< empty: none
  std::vector<San> sans() const;
  PublicKey public_key() const;
  bool must_staple() const;
  /// Whether the subject alternative name extension is there and critical.
  bool sans_critical() const;

  X509_REQ* native() const { return request_.get(); }

 private:
  explicit CertificateRequest(std::shared_ptr<X509_REQ> request) : request_(std::move(request)) {}
  std::shared_ptr<X509_REQ> request_;
};

struct RequestOptions {
  std::string common_name;  ///< left out of the subject beyond 64 bytes; a host name or address joins the SANs
  std::vector<std::string> sans;
  bool must_staple = false;
};

/// Subject = the common name only (agent.md §6.1 step 4). Throws Error(invalid) for a name without any form, and when
/// there is neither common name nor SAN.
CertificateRequest build_request(const PrivateKey& key, const RequestOptions& options);

}  // namespace certctl::crypto
