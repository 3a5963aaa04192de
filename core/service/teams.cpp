#include "core/service/teams.hpp"

#include <fmt/format.h>

#include "core/base/error.hpp"
#include "core/store/organisation.hpp"

namespace certctl::service {
namespace {

using domain::Team;

constexpr std::string_view kWritable[] = {"name", "description"};
constexpr std::string_view kChosen[] = {"id", "name", "description"};

/// Turns the database's refusal of a duplicate into the answer that names it.
template <typename F>
auto unless_taken(F&& f) {
  try {
    return f();
  } catch (const db::UniqueViolation& e) {
    const bool id = e.constraint() == "teams_pkey";
    throw conflict(fmt::format("Team with this {} already exists", id ? "id" : "name"), "duplicate");
  }
}

}  // namespace

Team Teams::create(const Context& context, const json::Value& body) {
  Team team;
  domain::merge_json(body, team, kChosen);
  require_name(team.name);
  team.id = chosen_id(team.id, "team", ground_.clock);
  team.created_at = team.updated_at = ground_.clock.now();
  unless_taken([&] {
    mutate(ground_, context, [&](db::Transaction& tx) {
      store::teams::insert(tx, team);
      ground_.audit.record(tx, context, {"create_team", "team", team.id});
    });
  });
  return get(team.id);
}

Team Teams::get(const std::string& id) {
  auto team = store::teams::find(ground_.database, id);
  if (!team) throw not_found("Team not found");
  return *std::move(team);
}

Team Teams::update(const Context& context, const std::string& id, const json::Value& body) {
  Team team = get(id);
  domain::merge_json(body, team, kWritable);
  require_name(team.name);
  unless_taken([&] {
    mutate(ground_, context, [&](db::Transaction& tx) {
      if (!store::teams::update(tx, team)) throw not_found("Team not found");
      ground_.audit.record(tx, context, {"update_team", "team", id});
    });
  });
  return get(id);
}

void Teams::remove(const Context& context, const std::string& id) {
  try {
    mutate(ground_, context, [&](db::Transaction& tx) {
      if (!store::teams::remove(tx, id)) throw not_found("Team not found");
      ground_.audit.record(tx, context, {"delete_team", "team", id});
    });
  } catch (const db::ForeignKeyViolation&) {
    const auto used = store::teams::dependants(ground_.database, id);
    throw conflict(fmt::format("Cannot delete team: {} certificates and {} owners still belong to it", used.certificates, used.owners),
                   "has_dependants");
  }
}

store::Page<Team> Teams::list(const store::PageRequest& page) { return store::teams::list(ground_.database, page); }

}  // namespace certctl::service
