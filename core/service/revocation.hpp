#pragma once

#include <string>

#include "core/base/json.hpp"
#include "core/service/issuer_registry.hpp"
#include "core/service/notifications.hpp"
#include "core/store/effects.hpp"

namespace certctl::service {

/// Takes trust back (CA sheet §7, lifecycle §10): one transaction here, the CA is told afterwards until it knows.
class Revocation {
 public:
  Revocation(Ground ground, Notifications& notifications) : ground_(ground), notifications_(notifications) {}

  struct Request {
    std::string reason;  ///< camelCase, snake_case or UPPER_SNAKE; empty: `unspecified`
    bool all_versions = false;
  };
  static Request parse(const json::Value& body);
  /// 400 unknown reason, revoked or archived already; 404 certificate or no version.
  void revoke(const Context& context, const std::string& certificate_id, const Request& request);

 private:
  Ground ground_;
  Notifications& notifications_;
};

/// The CRLReason of RFC 5280 §5.3.1. Throws Error(invalid) `invalid revocation reason: x`.
domain::RevocationReason parse_reason(const std::string& text);
int reason_code(domain::RevocationReason reason);

/// Tells CAs about revocations: the effect `issuer_revoke` of `outbox_effects`.
class RevocationNotice {
 public:
  RevocationNotice(Ground ground, IssuerRegistry& issuers) : ground_(ground), issuers_(issuers) {}

  struct Result {
    bool done = false;
    bool final_failure = false;
    std::string error;
  };
  Result deliver(const store::effects::Effect& effect);
  /// The CA will not be asked again: on record for the operator.
  void give_up(const store::effects::Effect& effect, const std::string& error);

 private:
  Ground ground_;
  IssuerRegistry& issuers_;
};

}  // namespace certctl::service
