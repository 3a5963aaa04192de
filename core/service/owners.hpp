#pragma once

#include "core/base/json.hpp"
#include "core/domain/organisation.hpp"
#include "core/service/mutation.hpp"
#include "core/store/page.hpp"

namespace certctl::service {

/// Persons and mailboxes that answer for certificates and receive their mail.
class Owners {
 public:
  explicit Owners(Ground ground) : ground_(ground) {}

  /// 400 for name, e-mail or team, 409 when the id is taken.
  domain::Owner create(const Context& context, const json::Value& body);
  domain::Owner get(const std::string& id);  ///< 404 `Owner not found`
  /// Absent keys keep their value.
  domain::Owner update(const Context& context, const std::string& id, const json::Value& body);
  /// 409 with counts while certificates are assigned to it.
  void remove(const Context& context, const std::string& id);
  store::Page<domain::Owner> list(const store::PageRequest& page);

 private:
  Ground ground_;
};

}  // namespace certctl::service
