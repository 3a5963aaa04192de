#pragma once

#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "core/base/clock.hpp"

namespace certctl::agent {

/// What was last deployed to one target.
struct Deployed {
  std::string target_id;
  std::string certificate_id;
  std::string spki_sha256;
  std::string fingerprint_sha256;
  Time not_after{};
};

/// `<folder>/<target_id>.json`: which keys are in use, and what expires if nobody renews it. All members from any
/// thread.
class DeployedCertificates {
 public:
  explicit DeployedCertificates(std::filesystem::path folder);

  void record(const Deployed& deployed);
  std::set<std::string> spkis(const std::string& certificate_id) const;
  std::vector<Deployed> expiring_before(Time time) const;

 private:
  std::filesystem::path folder_;
  mutable std::mutex mutex_;
  std::map<std::string, Deployed> by_target_;
};

}  // namespace certctl::agent
