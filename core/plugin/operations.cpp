#include "core/plugin/operations.hpp"

#include <array>
#include <cstring>

#include <certctl/issuer.h>
#include <certctl/notifier.h>
#include <certctl/target.h>

namespace certctl::plugin {

namespace {

constexpr auto kIssuer = std::to_array<Operation>({
    {"issue", offsetof(certctl_issuer, issue)},
    {"renew", offsetof(certctl_issuer, renew)},
    {"poll", offsetof(certctl_issuer, poll)},
    {"lookup", offsetof(certctl_issuer, lookup)},
    {"abandon", offsetof(certctl_issuer, abandon)},
    {"revoke", offsetof(certctl_issuer, revoke)},
    {"ca_chain", offsetof(certctl_issuer, ca_chain)},
    {"test", offsetof(certctl_issuer, test)},
});
constexpr auto kTarget = std::to_array<Operation>({
    {"dry_run", offsetof(certctl_target, dry_run)},
    {"deploy", offsetof(certctl_target, deploy)},
    {"verify", offsetof(certctl_target, verify)},
    {"rollback", offsetof(certctl_target, rollback)},
    {"current", offsetof(certctl_target, current)},
    {"test", offsetof(certctl_target, test)},
});
constexpr auto kNotifier = std::to_array<Operation>({
    {"send", offsetof(certctl_notifier, send)},
    {"test", offsetof(certctl_notifier, test)},
});
constexpr auto kKinds = std::to_array<KindTable>({
    {"issuer", CERTCTL_ISSUER_ID, kIssuer},
    {"target", CERTCTL_TARGET_ID, kTarget},
    {"notifier", CERTCTL_NOTIFIER_ID, kNotifier},
});

}  // namespace

const KindTable* kind_table(std::string_view kind) {
  for (const KindTable& table : kKinds) {
    if (table.kind == kind) return &table;
  }
  return nullptr;
}

certctl_op* find_operation(const KindTable& kind, const void* table, std::string_view name) {
  std::uint32_t size = 0;
  if (!table) return nullptr;
  std::memcpy(&size, table, sizeof size);
  for (const Operation& operation : kind.operations) {
    if (operation.name != name || operation.offset + sizeof(certctl_op*) > size) continue;
    certctl_op* member = nullptr;
    std::memcpy(&member, static_cast<const char*>(table) + operation.offset, sizeof member);
    return member;
  }
  return nullptr;
}

}  // namespace certctl::plugin
