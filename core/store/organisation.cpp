#include "core/store/organisation.hpp"

#include "core/store/rows.hpp"

namespace certctl::store::teams {

using domain::Team;

void insert(db::Executor db, const Team& team) {
  db.run("INSERT INTO teams (id, name, description, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)", team.id, team.name,
         team.description, team.created_at);
}

std::optional<Team> find(db::Executor db, const std::string& id) {
  return from_first<Team>(db.run("SELECT * FROM teams WHERE id = $1", id));
}

Page<Team> list(db::Executor db, const PageRequest& page) {
  return {from_rows<Team>(db.run("SELECT * FROM teams ORDER BY created_at DESC, id LIMIT $1::bigint OFFSET $2::bigint",
                                 page.per_page, page.offset())),
          count(db)};
}

std::int64_t count(db::Executor db) { return db.run("SELECT count(*) FROM teams").front().integer(0); }

bool update(db::Executor db, const Team& team) {
  return db.run(R"(UPDATE teams SET name = $2, description = $3, updated_at = now(), row_version = row_version + 1
                    WHERE id = $1)", team.id, team.name, team.description).affected() == 1;
}

bool remove(db::Executor db, const std::string& id) { return db.run("DELETE FROM teams WHERE id = $1", id).affected() == 1; }

Dependants dependants(db::Executor db, const std::string& id) {
  const auto row = db.run(R"(SELECT (SELECT count(*) FROM managed_certificates WHERE team_id = $1) AS certificates,
                                    (SELECT count(*) FROM owners WHERE team_id = $1) AS owners)", id).front();
  return {row.integer("certificates"), row.integer("owners")};
}

}  // namespace certctl::store::teams

namespace certctl::store::owners {

using domain::Owner;

void insert(db::Executor db, const Owner& owner) {
  db.run("INSERT INTO owners (id, name, email, team_id, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $5)", owner.id,
         owner.name, owner.email, owner.team_id, owner.created_at);
}

std::optional<Owner> find(db::Executor db, const std::string& id) {
  return from_first<Owner>(db.run("SELECT * FROM owners WHERE id = $1", id));
}

Page<Owner> list(db::Executor db, const PageRequest& page) {
  return {from_rows<Owner>(db.run("SELECT * FROM owners ORDER BY created_at DESC, id LIMIT $1::bigint OFFSET $2::bigint",
                                  page.per_page, page.offset())),
          count(db)};
}

std::int64_t count(db::Executor db) { return db.run("SELECT count(*) FROM owners").front().integer(0); }

bool update(db::Executor db, const Owner& owner) {
  return db.run(R"(UPDATE owners SET name = $2, email = $3, team_id = $4, updated_at = now(), row_version = row_version + 1
                    WHERE id = $1)", owner.id, owner.name, owner.email, owner.team_id).affected() == 1;
}

bool remove(db::Executor db, const std::string& id) { return db.run("DELETE FROM owners WHERE id = $1", id).affected() == 1; }

std::int64_t certificates_of(db::Executor db, const std::string& id) {
  return db.run("SELECT count(*) FROM managed_certificates WHERE owner_id = $1", id).front().integer(0);
}

}  // namespace certctl::store::owners
