#pragma once

#include "core/db/executor.hpp"
#include "core/service/audit.hpp"

namespace certctl::service {

/// What every service that changes something is given.
struct Ground {
  db::Database& database;
  const Clock& clock;
  Audit& audit;
};

/// Runs `f(transaction)` and commits the call's audit event with what it did.
template <typename F>
auto mutate(const Ground& ground, const Context& context, F&& f) {
  return ground.database.transaction([&](db::Transaction& transaction) {
    if constexpr (std::is_void_v<std::invoke_result_t<F&, db::Transaction&>>) {
      f(transaction);
      ground.audit.record_call(transaction, context);
    } else {
      auto value = f(transaction);
      ground.audit.record_call(transaction, context);
      return value;
    }
  });
}

/// `name` of 1 to 255 characters, or 400 with upstream's texts.
void require_name(const std::string& name);
/// A client-chosen id that fits the pattern (or an empty one, which gets `<prefix>-…`), or 400.
std::string chosen_id(const std::string& id, std::string_view prefix, const Clock& clock);

}  // namespace certctl::service
