#pragma once

#include "core/base/json.hpp"
#include "core/domain/profile.hpp"
#include "core/service/mutation.hpp"
#include "core/store/page.hpp"

namespace certctl::service {

/// What may be issued (lifecycle §12). The rules themselves are applied in profile_rules.hpp.
class Profiles {
 public:
  explicit Profiles(Ground ground) : ground_(ground) {}

  /// Empty lists of keys and key purposes get the defaults. 400 for a rule that cannot be, 409 when name or id is taken.
  domain::CertificateProfile create(const Context& context, const json::Value& body);
  domain::CertificateProfile get(const std::string& id);  ///< 404 `Profile not found`
  /// Absent keys keep their value. A list that is emptied gets its default: "replace with nothing" lifts no rule.
  domain::CertificateProfile update(const Context& context, const std::string& id, const json::Value& body);
  /// 409 with counts while certificates or renewal policies refer to it.
  void remove(const Context& context, const std::string& id);
  store::Page<domain::CertificateProfile> list(const store::PageRequest& page);

 private:
  Ground ground_;
};

}  // namespace certctl::service
