#pragma once

#include "core/domain/described.hpp"

namespace certctl::domain {

/// An organisational unit.
struct Team {
  std::string id;
  std::string name;
  std::string description;
  Time created_at{};
  Time updated_at{};
  Hidden<std::int64_t> row_version{1};
};
BOOST_DESCRIBE_STRUCT(Team, (), (id, name, description, created_at, updated_at, row_version))

/// A person or mailbox that answers for certificates and receives their alerts.
struct Owner {
  std::string id;
  std::string name;
  std::string email;
  std::string team_id;
  Time created_at{};
  Time updated_at{};
  Hidden<std::int64_t> row_version{1};
};
BOOST_DESCRIBE_STRUCT(Owner, (), (id, name, email, team_id, created_at, updated_at, row_version))

}  // namespace certctl::domain
