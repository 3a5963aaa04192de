#pragma once

#include <string>

#include "core/db/executor.hpp"
#include "core/domain/enums.hpp"

namespace certctl::store::revocations {

struct Revocation {
  std::string id, certificate_id, version_id, issuer_id, ca_id, serial;
  std::string reason, revoked_by;
  Time revoked_at{};
};
/// A serial that is revoked already stays as it is.
bool insert(db::Executor db, const Revocation& revocation);
/// The CA was told.
void notified(db::Executor db, const std::string& issuer_id, const std::string& serial);
/// What the CA publishes about revocations is out of date.
void bump_epoch(db::Executor db, const std::string& ca_id);
/// Status, time and reason of the certificate; false: revoked or archived already.
bool mark_certificate(db::Executor db, const std::string& certificate_id, const std::string& reason, Time at);

}  // namespace certctl::store::revocations
