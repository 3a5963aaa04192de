#include "core/plugin/outcome.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace certctl::plugin {

namespace {

constexpr auto kStatuses = std::to_array<std::pair<Status, std::string_view>>({
    {Status::ok, "ok"},
    {Status::pending, "pending"},
    {Status::invalid_config, "invalid_config"},
    {Status::invalid_request, "invalid_request"},
    {Status::auth, "auth"},
    {Status::rate_limited, "rate_limited"},
    {Status::transient, "transient"},
    {Status::permanent, "permanent"},
    {Status::not_supported, "not_supported"},
    {Status::cancelled, "cancelled"},
    {Status::internal, "internal"},
    {Status::conflict, "conflict"},
    {Status::unknown_outcome, "unknown_outcome"},
    {Status::not_found, "not_found"},
});

std::optional<std::chrono::milliseconds> milliseconds(const Fields& fields, std::uint32_t key) {
  const auto value = fields.integer(key);
  if (!value) return std::nullopt;
  return std::chrono::milliseconds(std::max<std::int64_t>(*value, 0));
}

}  // namespace

std::string_view to_text(Status status) {
  for (const auto& [known, text] : kStatuses) {
    if (known == status) return text;
  }
  return "internal";
}

std::optional<Status> status_from(std::string_view text) {
  for (const auto& [known, name] : kStatuses) {
    if (name == text) return known;
  }
  return std::nullopt;
}

Status status_from(certctl_status status) {
  for (const auto& [known, text] : kStatuses) {
    if (certctl_status(known) == status) return known;
  }
  return Status::internal;
}

std::optional<std::chrono::milliseconds> Outcome::retry_in() const {
  return milliseconds(out, CERTCTL_KEY_RETRY_IN_MS);
}
std::optional<std::chrono::milliseconds> Outcome::poll_in() const { return milliseconds(out, CERTCTL_KEY_POLL_IN_MS); }
std::optional<std::chrono::milliseconds> Outcome::expires_in() const {
  return milliseconds(out, CERTCTL_KEY_EXPIRES_IN_MS);
}

std::vector<Finding> Outcome::findings() const {
  std::vector<Finding> findings;
  for (const Fields::Record& record : out.records(CERTCTL_KEY_FINDING)) {
    const auto severity = Severity(std::clamp<std::int64_t>(record.number, 0, 2));
    findings.push_back(
        {severity, record.members.text(CERTCTL_KEY_FINDING_TEXT), record.members.text(CERTCTL_KEY_FINDING_PATH)});
  }
  return findings;
}

}  // namespace certctl::plugin
