#pragma once

#include "core/domain/described.hpp"
#include "core/domain/enums.hpp"

namespace certctl::domain {

/// One row of the append-only trail.
struct AuditEvent {
  std::string id;
  std::string actor;
  Word<ActorType> actor_type;
  std::string action;
  std::string resource_type;
  std::string resource_id;
  json::Raw details{"null"};
  Time timestamp{};
};
BOOST_DESCRIBE_STRUCT(AuditEvent, (), (id, actor, actor_type, action, resource_type, resource_id, details, timestamp))

}  // namespace certctl::domain
