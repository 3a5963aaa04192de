#include "plugins/common/ownership.hpp"

#include <grp.h>
#include <pwd.h>

#include <charconv>

#include <certctl/status.hpp>

namespace certctl::common {
namespace {

template <typename Entry, typename Lookup>
std::optional<Entry> look_up(const std::string& name, Lookup lookup) {
  Entry entry{};
  Entry* found = nullptr;
  std::vector<char> buffer(16 * 1024);
  const int error = lookup(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (error != 0 || found == nullptr) return std::nullopt;
  return entry;
}

std::optional<unsigned> number(const std::string& text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<uid_t> user_id(const std::string& name) {
  if (const auto id = number(name)) return *id;
  const auto entry = look_up<passwd>(name, ::getpwnam_r);
  return entry ? std::optional(entry->pw_uid) : std::nullopt;
}

std::optional<gid_t> group_id(const std::string& name) {
  if (const auto id = number(name)) return *id;
  const auto entry = look_up<group>(name, ::getgrnam_r);
  return entry ? std::optional(entry->gr_gid) : std::nullopt;
}

template <typename Id>
std::optional<Id> first_known(const std::vector<std::string>& names, std::optional<Id> (*find)(const std::string&)) {
  for (const std::string& name : names) {
    if (const auto id = find(name)) return id;
  }
  return std::nullopt;
}

}  // namespace

Ownership resolve_ownership(const OwnershipWish& wish, const Snapshot& existing, const OwnershipDefaults& defaults) {
  Ownership result;
  result.mode = wish.mode.value_or(existing.existed ? existing.mode & 0777 : defaults.mode);
  result.attributes = existing.attributes;
  // An explicit mode overrules an ACL of before: its mask would be the file's group bits.
  if (wish.mode) std::erase_if(result.attributes, [](const auto& pair) { return pair.first.starts_with("system."); });
  result.required = existing.existed || !wish.owner.empty() || !wish.group.empty();
  if (!wish.owner.empty()) {
    result.user = user_id(wish.owner);
    if (!result.user) throw invalid_config("there is no user \"" + wish.owner + "\" on this machine");
  } else {
    result.user = existing.existed ? std::optional(existing.user) : first_known<uid_t>(defaults.owners, user_id);
  }
  if (!wish.group.empty()) {
    result.group = group_id(wish.group);
    if (!result.group) throw invalid_config("there is no group \"" + wish.group + "\" on this machine");
  } else {
    result.group = existing.existed ? std::optional(existing.group) : first_known<gid_t>(defaults.groups, group_id);
  }
  return result;
}

}  // namespace certctl::common
