#pragma once

#include <string>

#include "core/domain/job.hpp"
#include "core/service/notifications.hpp"
#include "core/store/jobs.hpp"

namespace certctl::service {

/// Work, as people see and steer it (lifecycle §4).
class Jobs {
 public:
  Jobs(Ground ground, Notifications& notifications) : ground_(ground), notifications_(notifications) {}

  domain::Job get(const std::string& id);  ///< 404 `Job not found`
  store::Page<domain::Job> list(const store::jobs::Filter& filter, const store::PageRequest& page);
  /// 409 `cannot cancel job with status X` for what has ended.
  void cancel(const Context& context, const std::string& id);
  /// A failed job starts again, whatever its attempts; 409 otherwise.
  void retry(const Context& context, const std::string& id);

  struct Resolution {
    std::string outcome;    ///< `not_issued`: ask the CA again; `issued`: take `pem_chain`; `abandon`: give up
    std::string pem_chain;  ///< leaf first
    std::string note;
  };
  /// What became of a request whose answer was lost, as a person found out at the CA (lifecycle §7.3). 400 for a
  /// certificate of another key, 409 when the job does not wait for a decision.
  void resolve(const Context& context, const std::string& id, const Resolution& resolution);

 private:
  void take_up_again(db::Transaction& tx, const domain::Job& job, domain::JobPhase phase);

  Ground ground_;
  Notifications& notifications_;
};

}  // namespace certctl::service
