#pragma once

#include <string>
#include <vector>

#include "core/base/json.hpp"
#include "core/domain/certificate.hpp"
#include "core/domain/target.hpp"
#include "core/service/job_queue.hpp"
#include "core/service/mutation.hpp"
#include "core/store/certificates.hpp"

namespace certctl::service {

/// Identities that are kept alive: their rows and what is asked of them (lifecycle §3).
class Certificates {
 public:
  Certificates(Ground ground, const JobQueue& queue, KeyGeneration keys) : ground_(ground), queue_(queue), keys_(keys) {}

  /// Row, target mappings, audit and, if somebody can make the key, one issuance job: one transaction.
  domain::Certificate create(const Context& context, const json::Value& body);
  domain::Certificate get(const std::string& id);  ///< 404 `Certificate not found`
  store::Page<domain::Certificate> list(const store::certificates::Filter& filter, const store::PageRequest& page);
  /// Non-empty texts and lists replace, nothing can be cleared; a changed `status` is 409 naming the verb.
  domain::Certificate update(const Context& context, const std::string& id, const json::Value& body);
  /// Open jobs are cancelled; repeating is fine.
  void archive(const Context& context, const std::string& id);

  store::Page<domain::CertificateVersion> versions(const std::string& id, const store::PageRequest& page);
  std::vector<domain::Target> targets(const std::string& id);

  struct Renewal {
    std::string job_id, job_status;
    std::vector<std::string> warnings;
  };
  /// 409 while one is under way, unless `force`.
  Renewal renew(const Context& context, const std::string& id, bool force);
  /// A new key and certificate from any state but `Archived` and `RenewalInProgress`.
  Renewal reissue(const Context& context, const std::string& id);

  /// Deploys the current version to one target (mapped first if it is not) or to all. Returns the job ids.
  std::vector<std::string> deploy(const Context& context, const std::string& id, const std::string& target_id);

 private:
  domain::Certificate checked_new(const json::Value& body);
  void check_references(const domain::Certificate& certificate);
  void require_issuable(db::Executor db, const domain::Certificate& certificate);
  Renewal start(db::Transaction& tx, const Context& context, const domain::Certificate& certificate, const std::string& trigger, bool force);

  Ground ground_;
  const JobQueue& queue_;
  const KeyGeneration keys_;
};

}  // namespace certctl::service
