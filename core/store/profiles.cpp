#include "core/store/profiles.hpp"

#include "core/store/rows.hpp"

namespace certctl::store::profiles {

using domain::CertificateProfile;

void insert(db::Executor db, const CertificateProfile& profile) {
  db.run(R"(INSERT INTO certificate_profiles (id, name, description, allowed_key_algorithms, max_ttl_seconds, allowed_ekus,
                   required_san_patterns, permitted_san_patterns, spiffe_uri_pattern, allow_short_lived, must_staple,
                   required_csr_attributes, acme_auth_mode, requires_approval, issuer_options, enabled, created_at, updated_at)
            VALUES ($1, $2, $3, $4::jsonb, $5, $6::jsonb, $7::jsonb, $8::jsonb, $9, $10, $11, $12::jsonb, $13, $14, $15::jsonb, $16, $17, $17))",
         profile.id, profile.name, profile.description, to_jsonb(profile.allowed_key_algorithms), profile.max_ttl_seconds,
         to_jsonb(profile.allowed_ekus), to_jsonb(profile.required_san_patterns), to_jsonb(profile.permitted_san_patterns),
         profile.spiffe_uri_pattern, profile.allow_short_lived, profile.must_staple, to_jsonb(profile.required_csr_attributes),
         profile.acme_auth_mode, profile.requires_approval, profile.issuer_options, profile.enabled, profile.created_at);
}

std::optional<CertificateProfile> find(db::Executor db, const std::string& id) {
  return from_first<CertificateProfile>(db.run("SELECT * FROM certificate_profiles WHERE id = $1", id));
}

std::vector<CertificateProfile> find_all(db::Executor db, const std::vector<std::string>& ids) {
  if (ids.empty()) return {};
  return from_rows<CertificateProfile>(db.run("SELECT * FROM certificate_profiles WHERE id = ANY ($1::text[])", ids));
}

std::optional<CertificateProfile> find_for_update(db::Executor db, const std::string& id) {
  return from_first<CertificateProfile>(db.run("SELECT * FROM certificate_profiles WHERE id = $1 FOR UPDATE", id));
}

Page<CertificateProfile> list(db::Executor db, const PageRequest& page) {
  return {from_rows<CertificateProfile>(
              db.run("SELECT * FROM certificate_profiles ORDER BY created_at DESC, id LIMIT $1::bigint OFFSET $2::bigint",
                     page.per_page, page.offset())),
          db.run("SELECT count(*) FROM certificate_profiles").front().integer(0)};
}

bool update(db::Executor db, const CertificateProfile& profile) {
  return db.run(R"(UPDATE certificate_profiles
                      SET name = $2, description = $3, allowed_key_algorithms = $4::jsonb, max_ttl_seconds = $5,
                          allowed_ekus = $6::jsonb, required_san_patterns = $7::jsonb, permitted_san_patterns = $8::jsonb,
                          spiffe_uri_pattern = $9, allow_short_lived = $10, must_staple = $11,
                          required_csr_attributes = $12::jsonb, acme_auth_mode = $13, requires_approval = $14,
                          issuer_options = $15::jsonb, enabled = $16, updated_at = now(), row_version = row_version + 1
                    WHERE id = $1)",
                profile.id, profile.name, profile.description, to_jsonb(profile.allowed_key_algorithms), profile.max_ttl_seconds,
                to_jsonb(profile.allowed_ekus), to_jsonb(profile.required_san_patterns), to_jsonb(profile.permitted_san_patterns),
                profile.spiffe_uri_pattern, profile.allow_short_lived, profile.must_staple,
                to_jsonb(profile.required_csr_attributes), profile.acme_auth_mode, profile.requires_approval,
                profile.issuer_options, profile.enabled).affected() == 1;
}

bool remove(db::Executor db, const std::string& id) {
  return db.run("DELETE FROM certificate_profiles WHERE id = $1", id).affected() == 1;
}

Dependants dependants(db::Executor db, const std::string& id) {
  const auto row = db.run(R"(SELECT (SELECT count(*) FROM managed_certificates WHERE certificate_profile_id = $1) AS certificates,
                                    (SELECT count(*) FROM renewal_policies WHERE certificate_profile_id = $1) AS policies)", id).front();
  return {row.integer("certificates"), row.integer("policies")};
}

}  // namespace certctl::store::profiles
