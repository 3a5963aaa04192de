#pragma once

#include "core/base/json.hpp"
#include "core/domain/renewal_policy.hpp"
#include "core/plugin/host.hpp"
#include "core/service/mutation.hpp"
#include "core/store/page.hpp"

namespace certctl::service {

/// When and how to renew and to warn (lifecycle §14).
class RenewalPolicies {
 public:
  /// `plugins` says which notification channels there are beyond the well-known ones; it outlives this.
  /// `jitter_percent` is that of policies without one of their own.
  RenewalPolicies(Ground ground, const plugin::Host& plugins, int jitter_percent = 10)
      : ground_(ground), plugins_(plugins), jitter_percent_(jitter_percent) {}

  /// 400 for a value out of bounds, 409 when the name (or a chosen id) is taken. Without an id: `rp-<slug of the name>`.
  domain::RenewalPolicy create(const Context& context, const json::Value& body);
  domain::RenewalPolicy get(const std::string& id);  ///< 404 `Renewal policy not found`
  /// Absent keys keep their value. Another window moves the renewals of the policy's certificates.
  domain::RenewalPolicy update(const Context& context, const std::string& id, const json::Value& body);
  /// 409 with counts while certificates refer to it.
  void remove(const Context& context, const std::string& id);
  store::Page<domain::RenewalPolicy> list(const store::PageRequest& page);

 private:
  void check(domain::RenewalPolicy& policy) const;
  void check_channels(const json::Raw& channels) const;
  /// Of one slice of the policy's certificates behind `after`; answers the last of them, "" when none are left.
  std::string reschedule(db::Transaction& tx, const domain::RenewalPolicy& policy, const std::string& after) const;

  Ground ground_;
  const plugin::Host& plugins_;
  const int jitter_percent_;
};

/// Lower case, blanks to hyphens, nothing but `[a-z0-9-]`, at most 64 characters; `policy` when nothing is left.
std::string policy_slug(std::string_view name);

}  // namespace certctl::service
