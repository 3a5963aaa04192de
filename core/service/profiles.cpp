#include "core/service/profiles.hpp"

#include <fmt/format.h>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/service/patterns.hpp"
#include "core/service/profile_rules.hpp"
#include "core/service/refusals.hpp"
#include "core/store/profiles.hpp"

namespace certctl::service {
namespace {

using domain::CertificateProfile;
using domain::KeyRule;

constexpr std::string_view kChosen[] = {
    "id", "name", "description", "allowed_key_algorithms", "max_ttl_seconds", "allowed_ekus", "required_san_patterns",
    "permitted_san_patterns", "spiffe_uri_pattern", "allow_short_lived", "must_staple", "required_csr_attributes",
    "acme_auth_mode", "requires_approval", "issuer_options", "enabled"};
constexpr std::span<const std::string_view> kWritable = std::span(kChosen).subspan(1);

constexpr std::int32_t kLeastRsa = 2048;
constexpr std::int32_t kLeastEcdsa = 256;
constexpr std::int32_t kShortLived = 3600;  // seconds

std::vector<KeyRule> default_keys() { return {{"ECDSA", kLeastEcdsa}, {"RSA", kLeastRsa}}; }
std::vector<std::string> default_ekus() { return {"serverAuth"}; }

void check_key_rule(const KeyRule& rule, std::size_t index) {
  const std::string field = fmt::format("/allowed_key_algorithms/{}", index);
  if (!domain::value_of<domain::KeyAlgorithm>(rule.algorithm)) {
    throw invalid_field(field + "/algorithm", "unknown",
                        fmt::format("invalid key algorithm: {} (allowed: RSA, ECDSA, Ed25519)", printable(rule.algorithm)));
  }
  const std::int32_t least = rule.algorithm == "RSA" ? kLeastRsa : rule.algorithm == "ECDSA" ? kLeastEcdsa : 0;
  if (least != 0 && rule.min_size < least) {
    throw invalid_field(field + "/min_size", "range",
                        fmt::format("{} minimum key size must be at least {}, got {}", rule.algorithm, least, rule.min_size));
  }
}

void check_patterns(std::string_view field, const std::vector<std::string>& patterns) {
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    if (const std::string fault = pattern_fault(patterns[i]); !fault.empty()) {
      throw invalid_field(fmt::format("/{}/{}", field, i), "pattern",
                          fmt::format("{}[{}] is not a usable pattern: {}", field, i, fault));
    }
  }
}

/// Everything but the name, which POST and PUT word differently.
void check_rules(CertificateProfile& profile) {
  for (std::size_t i = 0; i < profile.allowed_key_algorithms.size(); ++i) check_key_rule(profile.allowed_key_algorithms[i], i);
  for (const auto& eku : profile.allowed_ekus) {
    if (eku_oid(eku).empty()) throw invalid_field("allowed_ekus", "unknown", fmt::format("invalid EKU: {}", printable(eku)));
  }
  if (profile.max_ttl_seconds < 0) throw invalid_field("max_ttl_seconds", "range", "max_ttl_seconds cannot be negative");
  if (profile.allow_short_lived && profile.max_ttl_seconds >= kShortLived) {
    throw invalid_field("allow_short_lived", "range",
                        fmt::format("allow_short_lived is true but max_ttl_seconds ({}) is >= {}; short-lived certs must have TTL under 1 hour",
                                    profile.max_ttl_seconds, kShortLived));
  }
  check_patterns("required_san_patterns", profile.required_san_patterns);
  check_patterns("permitted_san_patterns", profile.permitted_san_patterns);
  if (!profile.spiffe_uri_pattern.empty()) {
    if (const std::string fault = pattern_fault(profile.spiffe_uri_pattern); !fault.empty()) {
      throw invalid_field("spiffe_uri_pattern", "pattern", "spiffe_uri_pattern is not a usable pattern: " + fault);
    }
  }
  if (profile.acme_auth_mode.empty()) profile.acme_auth_mode = "trust_authenticated";
  if (profile.acme_auth_mode != "trust_authenticated" && profile.acme_auth_mode != "challenge") {
    throw invalid_field("acme_auth_mode", "unknown", "acme_auth_mode must be one of: trust_authenticated, challenge");
  }
}

template <typename F>
void unless_taken(F&& f) {
  try {
    f();
  } catch (const db::UniqueViolation& e) {
    throw already_exists("Profile", e.constraint() == "certificate_profiles_pkey" ? "id" : "name");
  }
}

}  // namespace

CertificateProfile Profiles::create(const Context& context, const json::Value& body) {
  CertificateProfile profile;
  domain::merge_json(body, profile, kChosen);
  require_name(profile.name);
  if (profile.allowed_key_algorithms.empty()) profile.allowed_key_algorithms = default_keys();
  if (profile.allowed_ekus.empty()) profile.allowed_ekus = default_ekus();
  check_rules(profile);
  profile.id = chosen_id(profile.id, "prof", ground_.clock);
  profile.created_at = profile.updated_at = ground_.clock.now();
  unless_taken([&] {
    mutate(ground_, context, [&](db::Transaction& tx) {
      store::profiles::insert(tx, profile);
      ground_.audit.record(tx, context, {"create_profile", "certificate_profile", profile.id});
    });
  });
  return get(profile.id);
}

CertificateProfile Profiles::get(const std::string& id) {
  auto profile = store::profiles::find(ground_.database, id);
  if (!profile) throw not_found("Profile not found");
  return *std::move(profile);
}

CertificateProfile Profiles::update(const Context& context, const std::string& id, const json::Value& body) {
  unless_taken([&] {
    mutate(ground_, context, [&](db::Transaction& tx) {
      auto profile = store::profiles::find_for_update(tx, id);
      if (!profile) throw not_found("Profile not found");
      const bool had_keys = !profile->allowed_key_algorithms.empty();
      const bool had_ekus = !profile->allowed_ekus.empty();
      domain::merge_json(body, *profile, kWritable);
      if (trim(profile->name).empty()) throw invalid_field("name", "required", "profile name is required");
      if (count_characters(profile->name) > 255) throw invalid_field("name", "length", "profile name exceeds 255 characters");
      if (had_keys && profile->allowed_key_algorithms.empty()) profile->allowed_key_algorithms = default_keys();
      if (had_ekus && profile->allowed_ekus.empty()) profile->allowed_ekus = default_ekus();
      check_rules(*profile);
      store::profiles::update(tx, *profile);
      ground_.audit.record(tx, context, {"update_profile", "certificate_profile", id});
    });
  });
  return get(id);
}

void Profiles::remove(const Context& context, const std::string& id) {
  const auto refuse = [](const store::profiles::Dependants& used) {
    return still_used(fmt::format("Cannot delete profile: {} certificates and {} renewal policies still refer to it",
                                  used.certificates, used.renewal_policies),
                      {{"certificates", used.certificates}, {"renewal_policies", used.renewal_policies}});
  };
  try {
    mutate(ground_, context, [&](db::Transaction& tx) {
      if (!store::profiles::find_for_update(tx, id)) throw not_found("Profile not found");
      if (const auto used = store::profiles::dependants(tx, id); used.any()) throw refuse(used);
      store::profiles::remove(tx, id);
      ground_.audit.record(tx, context, {"delete_profile", "certificate_profile", id});
    });
  } catch (const db::ForeignKeyViolation&) {
    throw still_used("Cannot delete profile: approvals or enrolment accounts still refer to it", {});
  }
}

store::Page<CertificateProfile> Profiles::list(const store::PageRequest& page) { return store::profiles::list(ground_.database, page); }

}  // namespace certctl::service
