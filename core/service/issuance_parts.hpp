#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/domain/renewal_policy.hpp"
#include "core/plugin/instance.hpp"
#include "core/plugin/manifest.hpp"
#include "core/service/issuance.hpp"

/// Shared by the sources of Issuance only.
namespace certctl::service {

struct Issuance::Material {
  domain::Certificate certificate;
  std::optional<domain::CertificateProfile> profile;
  domain::RenewalPolicy policy;
  domain::Issuer issuer;
  json::Raw config;                               ///< of the issuer, unsealed
  std::shared_ptr<plugin::Instance> instance;
  std::optional<crypto::CertificateRequest> csr;  ///< of the intent

  bool signs_here() const { return instance->connector().manifest().has_capability("own-ca"); }
  std::int64_t max_ttl() const { return profile ? profile->max_ttl_seconds : 0; }
  bool short_lived() const { return profile && profile->allow_short_lived && max_ttl() > 0 && max_ttl() < 3600; }
};

struct Issuance::OwnSigning {
  std::shared_ptr<const OwnCas::Ca> ca;
  std::string serial;
  Time not_before{};
};

}  // namespace certctl::service
