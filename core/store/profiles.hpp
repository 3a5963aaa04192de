#pragma once

#include <optional>

#include "core/db/executor.hpp"
#include "core/domain/profile.hpp"
#include "core/store/page.hpp"

namespace certctl::store::profiles {

/// Throws db::UniqueViolation (`certificate_profiles_pkey`, `certificate_profiles_name_key`).
void insert(db::Executor db, const domain::CertificateProfile& profile);
std::optional<domain::CertificateProfile> find(db::Executor db, const std::string& id);
/// Those of `ids` that there are, in no order.
std::vector<domain::CertificateProfile> find_all(db::Executor db, const std::vector<std::string>& ids);
/// As find(), and holds the row until the transaction ends.
std::optional<domain::CertificateProfile> find_for_update(db::Executor db, const std::string& id);
/// Newest first.
Page<domain::CertificateProfile> list(db::Executor db, const PageRequest& page);
bool update(db::Executor db, const domain::CertificateProfile& profile);
/// Certificates and policies would silently lose their rules: ask dependants() first, with the row held.
bool remove(db::Executor db, const std::string& id);

struct Dependants {
  std::int64_t certificates = 0, renewal_policies = 0;
  bool any() const { return certificates != 0 || renewal_policies != 0; }
};
Dependants dependants(db::Executor db, const std::string& id);

}  // namespace certctl::store::profiles
