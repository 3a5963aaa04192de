#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/db/executor.hpp"

/// The set-based side of renewing (lifecycle §6, §19.1).
namespace certctl::store::renewals {

struct Due {
  std::string id, issuer_id;
  bool expired = false;
  bool urgent = false;  ///< expired, or less than a tenth of its life is left
  int max_retries = 3;
  std::int64_t days_left = 0;
};
/// Due certificates without an open issuance, earliest first, held until the transaction ends.
std::vector<Due> take_due(db::Executor db, int limit, bool renew_expired);
/// They are `RenewalInProgress` now.
void started(db::Executor db, const std::vector<std::string>& ids);
/// When the first certificate that is not due yet will be.
std::optional<Time> next_due(db::Executor db);

struct Changed {
  std::int64_t count = 0;
  std::vector<std::string> expired;
};
/// `Active` → `Expiring` (30 days, or the renewal window where that is shorter) → `Expired`.
Changed update_statuses(db::Executor db);

}  // namespace certctl::store::renewals
