#include "core/store/versions.hpp"

#include "core/store/rows.hpp"

namespace certctl::store::versions {

using domain::CertificateVersion;

namespace {
std::optional<std::string> given(const std::string& text) { return text.empty() ? std::optional<std::string>() : text; }
}  // namespace

void insert(db::Executor db, const CertificateVersion& v) {
  db.run(R"(INSERT INTO certificate_versions
              (id, certificate_id, serial_number, not_before, not_after, fingerprint_sha256, pem_chain, csr_pem, created_at,
               key_algorithm, key_size, issuer_id, agent_id, sans, source, intent_id, job_id, ca_id, issuer_ref, spki_sha256)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14::text[], $15, $16, $17, $18, $19::jsonb, $20::bytea))",
         v.id, v.certificate_id, v.serial_number, v.not_before, v.not_after, v.fingerprint_sha256, v.pem_chain, v.csr_pem,
         v.created_at, static_cast<const std::string&>(v.key_algorithm), v.key_size, given(v.issuer_id), given(v.agent_id), v.sans,
         static_cast<const std::string&>(v.source), given(*v.intent_id), given(*v.job_id), given(*v.ca_id), *v.issuer_ref, *v.spki_sha256);
}

void set_server_key(db::Executor db, const std::string& id, const Bytes& sealed) {
  db.run("UPDATE certificate_versions SET server_key_sealed = $2::bytea WHERE id = $1", id, sealed);
}

void clear_server_key(db::Executor db, const std::string& id) {
  db.run("UPDATE certificate_versions SET server_key_sealed = NULL WHERE id = $1", id);
}

Page<CertificateVersion> list(db::Executor db, const std::string& certificate_id, const PageRequest& page) {
  const auto rows = db.run(R"(SELECT * FROM certificate_versions WHERE certificate_id = $1
                               ORDER BY created_at DESC, id LIMIT $2::bigint OFFSET $3::bigint)",
                           certificate_id, page.per_page, page.offset());
  const auto total = db.run("SELECT count(*) FROM certificate_versions WHERE certificate_id = $1", certificate_id);
  return {from_rows<CertificateVersion>(rows), total[0].integer(0)};
}

std::optional<CertificateVersion> find(db::Executor db, const std::string& id) {
  return from_first<CertificateVersion>(db.run("SELECT * FROM certificate_versions WHERE id = $1", id));
}

std::optional<CertificateVersion> find_by_job(db::Executor db, const std::string& job_id) {
  return from_first<CertificateVersion>(db.run("SELECT * FROM certificate_versions WHERE job_id = $1", job_id));
}

std::optional<CertificateVersion> by_key(db::Executor db, const std::string& certificate_id, const Bytes& spki_sha256) {
  return from_first<CertificateVersion>(db.run(R"(SELECT * FROM certificate_versions WHERE spki_sha256 = $2::bytea AND certificate_id = $1
                                                   ORDER BY created_at DESC LIMIT 1)", certificate_id, spki_sha256));
}

std::optional<CertificateVersion> current(db::Executor db, const std::string& certificate_id, const std::string& agent_id) {
  return from_first<CertificateVersion>(
      db.run(R"(SELECT * FROM certificate_versions
                 WHERE certificate_id = $1 AND superseded_at IS NULL AND (serial_number <> '' OR fingerprint_sha256 <> '')
                 ORDER BY ($2 <> '' AND agent_id IS NOT DISTINCT FROM $2) DESC, created_at DESC, id LIMIT 1)",
             certificate_id, agent_id));
}

std::map<std::string, std::string> current_fingerprints(db::Executor db, const std::vector<std::string>& certificate_ids, const std::string& agent_id) {
  std::map<std::string, std::string> fingerprints;
  if (certificate_ids.empty()) return fingerprints;
  const auto result = db.run(R"(SELECT DISTINCT ON (certificate_id) certificate_id, fingerprint_sha256 FROM certificate_versions
                                 WHERE certificate_id = ANY ($1::text[]) AND superseded_at IS NULL
                                   AND (serial_number <> '' OR fingerprint_sha256 <> '')
                                 ORDER BY certificate_id, ($2 <> '' AND agent_id IS NOT DISTINCT FROM $2) DESC, created_at DESC, id)",
                             certificate_ids, agent_id);
  for (const auto& row : result) fingerprints.emplace(row.text(0), row.text(1));
  return fingerprints;
}

void supersede(db::Executor db, const std::string& certificate_id, const std::string& agent_id, const std::string& successor) {
  db.run(R"(UPDATE certificate_versions SET superseded_at = now(), superseded_by = $3
             WHERE certificate_id = $1 AND id <> $3 AND superseded_at IS NULL AND coalesce(agent_id, '') = $2)",
         certificate_id, agent_id, successor);
}

std::vector<CertificateVersion> unexpired(db::Executor db, const std::string& certificate_id) {
  return from_rows<CertificateVersion>(
      db.run(R"(SELECT * FROM certificate_versions
                 WHERE certificate_id = $1 AND not_after > now() AND revoked_at IS NULL AND serial_number <> ''
                 ORDER BY created_at DESC, id)", certificate_id));
}

std::vector<CertificateVersion> unexpired_with_key(db::Executor db, const Bytes& spki_sha256) {
  return from_rows<CertificateVersion>(
      db.run(R"(SELECT * FROM certificate_versions
                 WHERE spki_sha256 = $1::bytea AND not_after > now() AND revoked_at IS NULL ORDER BY created_at DESC, id)", spki_sha256));
}

void mark_revoked(db::Executor db, const std::string& id, Time at) {
  db.run("UPDATE certificate_versions SET revoked_at = $2 WHERE id = $1", id, at);
}

}  // namespace certctl::store::versions
