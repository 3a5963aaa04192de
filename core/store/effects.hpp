#pragma once

#include <string>
#include <vector>

#include "core/db/executor.hpp"

/// Work to do after a commit, repeated until it is done (`outbox_effects`).
namespace certctl::store::effects {

struct Effect {
  std::string id, kind, key;
  json::Raw payload;
  std::int64_t attempts = 0;
  std::int64_t fence = 0;
  Time created_at{};
};
/// The same (kind, key) once.
void add(db::Executor db, const Effect& effect);
std::vector<Effect> claim(db::Executor db, int limit, const std::string& owner, Duration lease);
bool done(db::Executor db, const Effect& effect, const std::string& owner);
bool later(db::Executor db, const Effect& effect, const std::string& owner, Time next_attempt_at, const std::string& error);

}  // namespace certctl::store::effects
