#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/crypto/certificate.hpp"
#include "core/crypto/certificate_request.hpp"
#include "core/domain/certificate.hpp"
#include "core/domain/profile.hpp"
#include "core/plugin/fields.hpp"

namespace certctl::service {

/// The request against the certificate that it is for: the same names (as texts, order and case free), a key that is not
/// weak, the profile's rules. Throws Error(invalid) with the reason.
void check_csr(const crypto::CertificateRequest& csr, const domain::Certificate& certificate, const std::optional<domain::CertificateProfile>& profile);

/// Every certificate of an answer, PEM or DER in any order. Throws Error(invalid).
std::vector<crypto::Certificate> certificates_of(const plugin::Fields& answer);

struct IssuedLimits {
  std::int64_t max_ttl_seconds = 0;  ///< 0: no cap
  bool allow_longer = false;
};
/// What a CA answered against what was asked (issuers sheet §3.2): leaf by the CSR's key, no CA, alive, every name there,
/// lifetime within the cap, each certificate of the chain signed by the next. Throws Error(invalid) whose text follows
/// `issued certificate does not match request: `.
crypto::Chain check_issued(const std::vector<crypto::Certificate>& certificates, const crypto::CertificateRequest& csr,
                           const domain::Certificate& certificate, const IssuedLimits& limits, Time now);

}  // namespace certctl::service
