#include "core/service/renewal_policies.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/service/refusals.hpp"
#include "core/service/renewal_window.hpp"
#include "core/store/loops.hpp"
#include "core/store/renewal_policies.hpp"

namespace certctl::service {
namespace {

using domain::RenewalPolicy;

constexpr std::string_view kChosen[] = {
    "id", "name", "renewal_window_days", "auto_renew", "max_retries", "retry_interval_seconds", "alert_thresholds_days",
    "certificate_profile_id", "alert_channels", "alert_severity_map", "renewal_window_percent", "renewal_window_strict",
    "jitter_percent"};
constexpr std::span<const std::string_view> kWritable = std::span(kChosen).subspan(1);

constexpr std::array<std::string_view, 6> kChannels{"Email", "Webhook", "Slack", "Teams", "PagerDuty", "OpsGenie"};
constexpr int kSlugTries = 10;
constexpr int kSlice = 10'000;
constexpr std::string_view kDuplicate = "A renewal policy with that name already exists";

void require_between(std::string_view field, std::int32_t value, std::int32_t least, std::int32_t most) {
  if (value >= least && value <= most) return;
  throw invalid_field(std::string(field), "range", fmt::format("{} must be between {} and {}, got {}", field, least, most, value));
}

void require_tier(std::string_view field, std::string_view tier) {
  if (domain::value_of<domain::Severity>(tier)) return;
  throw invalid_field(std::string(field), "unknown",
                      fmt::format("{}: unknown severity tier \"{}\" (allowed: informational, warning, critical)", field, printable(tier)));
}

/// `{"<days>": tier}`
void check_severities(const json::Raw& severities) {
  const auto map = json::parse(severities.text);
  for (const auto& entry : map.GetObject()) {
    const auto key = json::text_of(entry.name);
    const auto days = parse_integer(key);
    if (!days || *days < 0 || *days > 365 || !entry.value.IsString()) {
      throw invalid_field("alert_severity_map", "type",
                          fmt::format("Invalid request body: alert_severity_map maps days (0 to 365) to a tier, not \"{}\"", printable(key)));
    }
    require_tier("alert_severity_map", json::text_of(entry.value));
  }
}

bool same_window(const RenewalPolicy& a, const RenewalPolicy& b) {
  return a.renewal_window_days == b.renewal_window_days && a.renewal_window_percent == b.renewal_window_percent &&
         a.renewal_window_strict == b.renewal_window_strict && a.jitter_percent == b.jitter_percent;
}

template <typename F>
auto explained(const RenewalPolicy& policy, F&& f) {
  try {
    return f();
  } catch (const db::UniqueViolation&) {
    throw Error(ErrorKind::conflict, std::string(kDuplicate), {{"name", "duplicate", std::string(kDuplicate)}}).with_code("duplicate");
  } catch (const db::ForeignKeyViolation&) {
    throw missing_reference("certificate_profile_id", "profile", policy.certificate_profile_id);
  }
}

}  // namespace

std::string policy_slug(std::string_view name) {
  std::string slug;
  for (const char c : lower(trim(name))) {
    if (c == ' ') slug += '-';
    else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-') slug += c;
  }
  slug.erase(0, slug.find_first_not_of('-'));
  slug.erase(slug.find_last_not_of('-') + 1);
  if (slug.empty()) return "policy";
  constexpr std::size_t kLongest = 64;
  return slug.substr(0, kLongest);
}

void RenewalPolicies::check_channels(const json::Raw& channels) const {
  const auto map = json::parse(channels.text);
  for (const auto& entry : map.GetObject()) {
    const auto tier = json::text_of(entry.name);
    require_tier("alert_channels", tier);
    const bool texts = entry.value.IsArray() && std::ranges::all_of(entry.value.GetArray(), [](const json::Value& v) { return v.IsString(); });
    if (!texts) {
      throw invalid_field("alert_channels", "type", fmt::format("Invalid request body: alert_channels/{} must be an array of channel names", tier));
    }
    for (const auto& item : entry.value.GetArray()) {
      const auto channel = json::text_of(item);
      if (std::ranges::find(kChannels, channel) != kChannels.end()) continue;
      const auto* connector = plugins_.find("notifier", channel);
      if (connector == nullptr || connector->type() != channel) {
        throw invalid_field("alert_channels", "unknown", fmt::format("alert_channels: unknown channel \"{}\"", printable(channel)));
      }
    }
  }
}

void RenewalPolicies::check(RenewalPolicy& policy) const {
  if (trim(policy.name).empty()) throw invalid_field("name", "required", "name is required");
  if (const auto length = count_characters(policy.name); length > 255) {
    throw invalid_field("name", "length", fmt::format("name must be 255 characters or fewer, got {}", length));
  }
  const RenewalPolicy defaults;
  if (policy.renewal_window_days == 0) policy.renewal_window_days = defaults.renewal_window_days;
  if (policy.retry_interval_seconds == 0) policy.retry_interval_seconds = defaults.retry_interval_seconds;
  if (policy.alert_thresholds_days.empty()) policy.alert_thresholds_days = defaults.alert_thresholds_days;
  require_between("renewal_window_days", policy.renewal_window_days, 1, 365);
  require_between("max_retries", policy.max_retries, 0, 10);
  require_between("retry_interval_seconds", policy.retry_interval_seconds, 60, 86'400);
  for (std::size_t i = 0; i < policy.alert_thresholds_days.size(); ++i) {
    const auto days = policy.alert_thresholds_days[i];
    if (days < 0 || days > 365) {
      throw invalid_field("alert_thresholds_days", "range", fmt::format("alert_thresholds_days[{}]={} must be between 0 and 365", i, days));
    }
  }
  if (policy.renewal_window_percent) require_between("renewal_window_percent", *policy.renewal_window_percent, 1, 90);
  if (policy.jitter_percent) require_between("jitter_percent", *policy.jitter_percent, 0, 50);
  check_channels(policy.alert_channels);
  check_severities(policy.alert_severity_map);
}

RenewalPolicy RenewalPolicies::create(const Context& context, const json::Value& body) {
  RenewalPolicy policy;
  domain::merge_json(body, policy, kChosen);
  check(policy);
  const bool chosen = !policy.id.empty();
  const std::string base = chosen ? chosen_id(policy.id, "rp", ground_.clock) : "rp-" + policy_slug(policy.name);
  policy.created_at = policy.updated_at = ground_.clock.now();
  policy.id = explained(policy, [&] {
    return mutate(ground_, context, [&](db::Transaction& tx) {
      RenewalPolicy row = policy;
      row.id = base;
      bool stored = store::renewal_policies::insert(tx, row);
      for (int n = 2; !stored && !chosen && n <= kSlugTries; ++n) {
        row.id = fmt::format("{}-{}", base, n);
        stored = store::renewal_policies::insert(tx, row);
      }
      if (!stored) throw already_exists("Renewal policy", chosen ? "id" : "name");
      ground_.audit.record(tx, context, {"renewal_policy_created", "renewal_policy", row.id});
      return row.id;
    });
  });
  return get(policy.id);
}

RenewalPolicy RenewalPolicies::get(const std::string& id) {
  auto policy = store::renewal_policies::find(ground_.database, id);
  if (!policy) throw not_found("Renewal policy not found");
  return *std::move(policy);
}

std::string RenewalPolicies::reschedule(db::Transaction& tx, const RenewalPolicy& policy, const std::string& after) const {
  auto certificates = store::renewal_policies::scheduled(tx, policy.id, after, kSlice);
  if (certificates.empty()) return {};
  for (auto& c : certificates) {
    auto window = renewal_window(policy, c.not_before, c.not_after, c.certificate_id, c.version_id, jitter_percent_);
    c.renew_after = window.renew_after;
    c.source = std::move(window.source);
  }
  store::renewal_policies::reschedule(tx, certificates);
  return certificates.size() < kSlice ? std::string() : certificates.back().certificate_id;
}

RenewalPolicy RenewalPolicies::update(const Context& context, const std::string& id, const json::Value& body) {
  RenewalPolicy policy;
  std::string last;
  explained(policy, [&] {
    mutate(ground_, context, [&](db::Transaction& tx) {
      auto row = store::renewal_policies::find_for_update(tx, id);
      if (!row) throw not_found("Renewal policy not found");
      policy = *row;
      domain::merge_json(body, policy, kWritable);
      check(policy);
      store::renewal_policies::update(tx, policy);
      last.clear();
      if (!same_window(*row, policy)) {
        last = reschedule(tx, policy, "");
        store::loops::hurry(tx, "renewal_scan");
      }
      ground_.audit.record(tx, context, {"renewal_policy_updated", "renewal_policy", id});
    });
  });
  // Beyond the first slice in transactions of their own, so that no lock is held for long.
  while (!last.empty()) last = ground_.database.transaction([&](db::Transaction& tx) { return reschedule(tx, policy, last); });
  return get(id);
}

void RenewalPolicies::remove(const Context& context, const std::string& id) {
  try {
    mutate(ground_, context, [&](db::Transaction& tx) {
      if (!store::renewal_policies::remove(tx, id)) throw not_found("Renewal policy not found");
      ground_.audit.record(tx, context, {"renewal_policy_deleted", "renewal_policy", id});
    });
  } catch (const db::ForeignKeyViolation&) {
    throw still_used("Renewal policy is still referenced by managed certificates",
                     {{"certificates", store::renewal_policies::certificates_of(ground_.database, id)}});
  }
}

store::Page<RenewalPolicy> RenewalPolicies::list(const store::PageRequest& page) {
  return store::renewal_policies::list(ground_.database, page);
}

}  // namespace certctl::service
