#include "core/store/loops.hpp"

namespace certctl::store::loops {

void declare(db::Executor db, const std::string& name) {
  db.run("INSERT INTO scheduler_loops (name, next_due_at) VALUES ($1, now()) ON CONFLICT DO NOTHING", name);
}

std::vector<std::string> due(db::Executor db) {
  const auto result = db.run("SELECT name FROM scheduler_loops WHERE next_due_at <= now() ORDER BY next_due_at");
  std::vector<std::string> names;
  for (const auto& row : result) names.push_back(row.text(0));
  return names;
}

bool begin(db::Executor db, const std::string& name, Duration interval) {
  return db.run(R"(UPDATE scheduler_loops SET last_started_at = now(), next_due_at = now() + $2::interval, runs = runs + 1
                    WHERE name = $1 AND next_due_at <= now())", name, interval).affected() == 1;
}

void finish(db::Executor db, const std::string& name, std::optional<Time> next, const std::string& error) {
  db.run(R"(UPDATE scheduler_loops SET last_finished_at = now(), last_error = nullif($3, ''),
                   next_due_at = least(next_due_at, coalesce($2::timestamptz, next_due_at)) WHERE name = $1)", name, next, error);
}

void run_by(db::Executor db, const std::string& name, Time at) {
  db.run("UPDATE scheduler_loops SET next_due_at = $2 WHERE name = $1 AND next_due_at > $2", name, at);
}

void hurry(db::Executor db, const std::string& name) {
  db.run("UPDATE scheduler_loops SET next_due_at = now() WHERE name = $1", name);
}

}  // namespace certctl::store::loops
