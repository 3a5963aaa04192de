#pragma once

#include <catch2/catch.hpp>

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>

#include "core/base/error.hpp"
#include "core/crypto/sealer.hpp"
#include "core/plugin/host.hpp"
#include "core/service/mutation.hpp"
#include "test/support/postgres.hpp"

namespace certctl::service::testing {

/// The plugins that the build made, and the probe of core/plugin/testdata; loaded once a program.
inline const plugin::Host& plugins() {
  static const plugin::Host host({CERTCTL_PROBE_PLUGIN_DIR, std::getenv("CERTCTL_TEST_PLUGIN_DIR")}, std::make_shared<SystemClock>());
  return host;
}

/// A database with one team, and an API call to change it with.
struct Desk {
  std::unique_ptr<db::Database> database = test::TestPostgres::shared().open();
  SystemClock clock;
  Audit audit{clock};
  crypto::Sealer sealer{Secret::copy_of("correct-horse-battery-staple-0123456789"), crypto::Sealer::Salt{}};
  ApiCall api_call{"POST", "/api/v1/things", "", 201, clock.steady(), false};
  Context context{Actor{"ada", domain::ActorType::User, false, {}, false}, "req-1", &api_call};

  Desk() { database->run("INSERT INTO teams (id, name) VALUES ('t-web', 'Web'), ('t-db', 'Databases')"); }

  Ground ground() { return {*database, clock, audit}; }
  std::int64_t number(const std::string& sql) { return database->run(sql).front().integer(0); }
  std::int64_t events(const std::string& action) {
    return database->run("SELECT count(*) FROM audit_events WHERE action = $1", action).front().integer(0);
  }
  std::string text(const std::string& sql) { return database->run(sql).front().text(0); }

  void add_certificate(const std::string& id, const std::string& columns = "", const std::string& values = "") {
    database->run("INSERT INTO owners (id, name, email, team_id) VALUES ('o-any', 'Any', '', 't-web') ON CONFLICT DO NOTHING");
    database->run("INSERT INTO issuers (id, name, type) VALUES ('iss-any', 'Any CA', 'GenericCA') ON CONFLICT DO NOTHING");
    const bool owner = columns.find("owner_id") != std::string::npos, issuer = columns.find("issuer_id") != std::string::npos,
               policy = columns.find("renewal_policy_id") != std::string::npos;
    std::string names = "id, name, common_name, team_id", given = "'" + id + "', '" + id + "', 'a.example.com', 't-web'";
    const auto add = [&](const std::string& name, const std::string& value) { names += ", " + name; given += ", " + value; };
    if (!owner) add("owner_id", "'o-any'");
    if (!issuer) add("issuer_id", "'iss-any'");
    if (!policy) add("renewal_policy_id", "'rp-default'");
    if (!columns.empty()) add(columns, values);
    database->run("INSERT INTO managed_certificates (" + names + ") VALUES (" + given + ")");
  }
};

inline json::Document body(std::string_view text) { return json::parse(text); }

/// What `f` throws; fails the test if it throws nothing.
inline Error refusal(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e;
  }
  FAIL("nothing was thrown");
  throw std::logic_error("unreachable");
}

inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

}  // namespace certctl::service::testing
