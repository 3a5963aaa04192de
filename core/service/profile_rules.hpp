#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/crypto/key.hpp"
#include "core/crypto/san.hpp"
#include "core/domain/profile.hpp"

/// What a profile lets through (lifecycle §12, CA sheet §5.2). Pure: no database, no clock.
namespace certctl::service {

/// Throws Error(invalid) with the first rule that a request breaks: a key that nobody should certify, one that the
/// profile does not allow, names that it does not permit. A common name with the form of a host or an address counts
/// as one more name, as it will stand among the certificate's.
void check_request(const domain::CertificateProfile& profile, const crypto::PublicKey& key, std::string_view common_name,
                   const std::vector<crypto::San>& sans);

/// The part of check_request() that is about the key alone.
void check_key(const domain::CertificateProfile& profile, const crypto::PublicKey& key);
/// The part of check_request() that is about names alone.
void check_names(const domain::CertificateProfile& profile, std::string_view common_name, const std::vector<crypto::San>& sans);

/// The object identifier of a key purpose: one of the profile's words, or dotted digits; empty: unknown, or not for
/// leaves (`ocspSigning`, `anyExtendedKeyUsage`).
std::string eku_oid(std::string_view name);

/// The key purposes that certificates of this profile get, as OIDs. Throws Error(invalid) `unknown EKU "<x>"`.
std::vector<std::string> ekus_of(const domain::CertificateProfile& profile);

/// What a key is made of where no profile says otherwise.
inline constexpr std::string_view kDefaultKeyAlgorithm = "ECDSA-P256";

/// The key to generate, as settings spell it: kDefaultKeyAlgorithm if the profile allows it, else the smallest of the
/// first kind that it allows.
std::string key_algorithm_of(const domain::CertificateProfile& profile);

}  // namespace certctl::service
