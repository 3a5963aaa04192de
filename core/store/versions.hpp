#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/db/executor.hpp"
#include "core/domain/certificate.hpp"
#include "core/store/page.hpp"

namespace certctl::store::versions {

void insert(db::Executor db, const domain::CertificateVersion& version);
/// Key of server mode, sealed.
void set_server_key(db::Executor db, const std::string& id, const Bytes& sealed);
/// Handed over: not kept any longer.
void clear_server_key(db::Executor db, const std::string& id);
/// Newest first.
Page<domain::CertificateVersion> list(db::Executor db, const std::string& certificate_id, const PageRequest& page);
std::optional<domain::CertificateVersion> find(db::Executor db, const std::string& id);
std::optional<domain::CertificateVersion> find_by_job(db::Executor db, const std::string& job_id);
/// The version of this certificate that holds that key.
std::optional<domain::CertificateVersion> by_key(db::Executor db, const std::string& certificate_id, const Bytes& spki_sha256);
/// The newest that is not superseded, revoked ones included; of `agent_id`'s own key if that agent has one.
std::optional<domain::CertificateVersion> current(db::Executor db, const std::string& certificate_id, const std::string& agent_id = {});
/// The SHA-256 fingerprints of what current() finds for each of the certificates, by certificate.
std::map<std::string, std::string> current_fingerprints(db::Executor db, const std::vector<std::string>& certificate_ids, const std::string& agent_id);
/// The previous versions of this certificate (and, if given, of this agent's key) are replaced by `successor`.
void supersede(db::Executor db, const std::string& certificate_id, const std::string& agent_id, const std::string& successor);
/// Versions that are still valid and not revoked, newest first; `spki` limits to one key.
std::vector<domain::CertificateVersion> unexpired(db::Executor db, const std::string& certificate_id);
std::vector<domain::CertificateVersion> unexpired_with_key(db::Executor db, const Bytes& spki_sha256);
void mark_revoked(db::Executor db, const std::string& id, Time at);

}  // namespace certctl::store::versions
