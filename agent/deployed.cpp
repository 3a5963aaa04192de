#include "agent/deployed.hpp"

#include "agent/files.hpp"
#include "core/base/error.hpp"
#include "core/base/id.hpp"
#include "core/base/json.hpp"
#include "core/base/time.hpp"

namespace certctl::agent {
namespace fs = std::filesystem;

DeployedCertificates::DeployedCertificates(fs::path folder) : folder_(std::move(folder)) {
  make_private_folder(folder_);
  remove_temporaries(folder_);
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (entry.path().extension() != ".json") continue;
    try {
      const json::Document document = json::parse(read_file(entry.path()).value_or(""));
      Deployed deployed{.target_id = entry.path().stem(),
                        .certificate_id = json::text_or(document, "certificate_id"),
                        .spki_sha256 = json::text_or(document, "spki_sha256"),
                        .fingerprint_sha256 = json::text_or(document, "fingerprint_sha256"),
                        .not_after = parse_time(json::text_or(document, "not_after")).value_or(Time{})};
      by_target_[deployed.target_id] = std::move(deployed);
    } catch (const Error& e) {
      set_aside(entry.path(), e.what());
    }
  }
}

void DeployedCertificates::record(const Deployed& deployed) {
  if (!is_valid_id(deployed.target_id)) return;  // upstream's servers may name none
  const std::scoped_lock lock(mutex_);
  write_durably(folder_ / (deployed.target_id + ".json"), json::Writer()
                                                              .begin_object()
                                                              .field("certificate_id", deployed.certificate_id)
                                                              .field("spki_sha256", deployed.spki_sha256)
                                                              .field("fingerprint_sha256", deployed.fingerprint_sha256)
                                                              .field("not_after", deployed.not_after)
                                                              .end_object()
                                                              .take());
  by_target_[deployed.target_id] = deployed;
}

std::set<std::string> DeployedCertificates::spkis(const std::string& certificate_id) const {
  const std::scoped_lock lock(mutex_);
  std::set<std::string> out;
  for (const auto& [target, deployed] : by_target_) {
    if (deployed.certificate_id == certificate_id) out.insert(deployed.spki_sha256);
  }
  return out;
}

std::vector<Deployed> DeployedCertificates::expiring_before(Time time) const {
  const std::scoped_lock lock(mutex_);
  std::vector<Deployed> out;
  for (const auto& [target, deployed] : by_target_) {
    if (deployed.not_after < time) out.push_back(deployed);
  }
  return out;
}

}  // namespace certctl::agent
