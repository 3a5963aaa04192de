#include "core/service/audit_trail.hpp"

#include "core/service/resources_test_support.hpp"

using namespace certctl;
using namespace certctl::service;
using namespace certctl::service::testing;

TEST_CASE("An audit event is found by its id, else the newest about a resource of that id") {
  Desk desk;
  AuditTrail trail(*desk.database);
  desk.audit.record(*desk.database, desk.context, {"create_team", "team", "t-1"});
  desk.database->run(R"(INSERT INTO audit_events (id, actor, actor_type, action, resource_type, resource_id, details, timestamp)
                        VALUES ('audit-x', 'ada', 'User', 'update_team', 'team', 't-1', 'null', now() + interval '1 second'))");
  CHECK(trail.get("audit-x").action == "update_team");
  CHECK(trail.get("t-1").id == "audit-x");
  CHECK(std::string(refusal([&] { trail.get("t-2"); }).what()) == "Audit event not found");
}

namespace {

store::audit::Filter filter_by(std::string store::audit::Filter::*member, const std::string& value) {
  store::audit::Filter filter;
  filter.*member = value;
  return filter;
}

}  // namespace

TEST_CASE("Audit events are filtered, and their total is that of all that match") {
  Desk desk;
  AuditTrail trail(*desk.database);
  for (int i = 0; i < 3; ++i) desk.audit.record(*desk.database, desk.context, {"create_team", "team", "t-" + std::to_string(i)});
  desk.audit.record(*desk.database, system_context(), {"create_issuer", "issuer", "iss-local"});
  CHECK(trail.list({}, {1, 2}).total == 4);
  CHECK(trail.list(filter_by(&store::audit::Filter::actor_type, "system"), {1, 50}).rows.at(0).action == "create_issuer");
  CHECK(trail.list(filter_by(&store::audit::Filter::action, "create_team"), {2, 2}).rows.size() == 1);
  CHECK(trail.list(filter_by(&store::audit::Filter::resource_id, "t-9"), {1, 50}).rows.empty());
  store::audit::Filter later;
  later.from = desk.clock.now() + std::chrono::hours(1);
  CHECK(trail.list(later, {1, 50}).total == 0);
}
