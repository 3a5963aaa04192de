#include "core/service/owners.hpp"

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/crypto/san.hpp"
#include "core/service/refusals.hpp"
#include "core/store/organisation.hpp"

namespace certctl::service {
namespace {

using domain::Owner;

constexpr std::string_view kWritable[] = {"name", "email", "team_id"};
constexpr std::string_view kChosen[] = {"id", "name", "email", "team_id"};
constexpr std::string_view kInUse = "Cannot delete owner: certificates are still assigned to this owner";

void check(const Owner& owner) {
  require_name(owner.name);
  if (owner.team_id.empty()) throw invalid_field("team_id", "required", "team_id is required");
  if (owner.email.empty()) return;
  if (count_characters(owner.email) > 255) throw invalid_field("email", "length", "email must be 255 characters or fewer");
  if (!crypto::is_mail_address(owner.email)) throw invalid_field("email", "format", "email is not a mail address");
}

template <typename F>
void explained(const Owner& owner, F&& f) {
  try {
    f();
  } catch (const db::UniqueViolation&) {
    throw already_exists("Owner", "id");
  } catch (const db::ForeignKeyViolation&) {
    throw missing_reference("team_id", "team", owner.team_id);
  }
}

}  // namespace

Owner Owners::create(const Context& context, const json::Value& body) {
  Owner owner;
  domain::merge_json(body, owner, kChosen);
  check(owner);
  owner.id = chosen_id(owner.id, "owner", ground_.clock);
  owner.created_at = owner.updated_at = ground_.clock.now();
  explained(owner, [&] {
    mutate(ground_, context, [&](db::Transaction& tx) {
      store::owners::insert(tx, owner);
      ground_.audit.record(tx, context, {"create_owner", "owner", owner.id});
    });
  });
  return get(owner.id);
}

Owner Owners::get(const std::string& id) {
  auto owner = store::owners::find(ground_.database, id);
  if (!owner) throw not_found("Owner not found");
  return *std::move(owner);
}

Owner Owners::update(const Context& context, const std::string& id, const json::Value& body) {
  Owner owner = get(id);
  domain::merge_json(body, owner, kWritable);
  check(owner);
  explained(owner, [&] {
    mutate(ground_, context, [&](db::Transaction& tx) {
      if (!store::owners::update(tx, owner)) throw not_found("Owner not found");
      ground_.audit.record(tx, context, {"update_owner", "owner", id});
    });
  });
  return get(id);
}

void Owners::remove(const Context& context, const std::string& id) {
  try {
    mutate(ground_, context, [&](db::Transaction& tx) {
      if (!store::owners::remove(tx, id)) throw not_found("Owner not found");
      ground_.audit.record(tx, context, {"delete_owner", "owner", id});
    });
  } catch (const db::ForeignKeyViolation&) {
    throw still_used(std::string(kInUse), {{"certificates", store::owners::certificates_of(ground_.database, id)}});
  }
}

store::Page<Owner> Owners::list(const store::PageRequest& page) { return store::owners::list(ground_.database, page); }

}  // namespace certctl::service
