#pragma once

#include "core/domain/circuit_breaker.hpp"

namespace certctl::domain {

/// A configured connection for messages. Settings of channels that the environment configures stay in the environment.
struct NotificationChannel {
  std::string id;
  std::string name;
  std::string type;
  bool enabled = true;
  CircuitBreaker breaker;
  std::optional<Time> last_success_at;
  std::optional<Time> last_failure_at;
  std::string source = "database";
};
BOOST_DESCRIBE_STRUCT(NotificationChannel, (), (id, name, type, enabled, breaker, last_success_at, last_failure_at, source))

}  // namespace certctl::domain
