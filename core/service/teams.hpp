#pragma once

#include "core/base/json.hpp"
#include "core/domain/organisation.hpp"
#include "core/service/mutation.hpp"
#include "core/store/page.hpp"

namespace certctl::service {

/// Organisational units.
class Teams {
 public:
  explicit Teams(Ground ground) : ground_(ground) {}

  /// 400 for the name, 409 when name or id is taken.
  domain::Team create(const Context& context, const json::Value& body);
  domain::Team get(const std::string& id);  ///< 404 `Team not found`
  /// Absent keys keep their value.
  domain::Team update(const Context& context, const std::string& id, const json::Value& body);
  /// 409 with counts while owners or certificates belong to it.
  void remove(const Context& context, const std::string& id);
  store::Page<domain::Team> list(const store::PageRequest& page);
  
 private:
  Ground ground_;
};

}  // namespace certctl::service
