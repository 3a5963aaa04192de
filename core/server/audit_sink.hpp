#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>

#include "core/http/middleware.hpp"
#include "core/service/audit.hpp"

namespace certctl::server {

enum class AgentPolls { summary, all, off };

/// Where the HTTP chain's records go: calls into the queue, refusals one event a source and minute, agents' polls one
/// event an agent and hour. Attached once the database is there; before that there are no requests.
class AuditSink final : public http::AuditSink {
 public:
  AuditSink(const Clock& clock, AgentPolls polls) : clock_(clock), polls_(polls), salt_(new_salt()) {}

  void attach(service::AuditQueue& queue, const service::Audit& audit);
  void record(http::AuditRecord record) noexcept override;
  /// Summaries that are due; `all`: those that are not, too.
  void flush(bool all);

 private:
  struct Polls {
    Time first{}, last{};
    std::int64_t heartbeats = 0, work_polls = 0;
  };
  struct Refusals {
    Time first{};
    std::int64_t count = 0;
    http::AuditRecord sample;
  };
  static std::string new_salt();
  bool summarise(const http::AuditRecord& record);
  void push(service::Actor actor, service::Audit::Entry entry);

  const Clock& clock_;
  const AgentPolls polls_;
  const std::string salt_;  ///< addresses are hashed with it: comparable within a run, not reversible
  std::mutex mutex_;
  service::AuditQueue* queue_ = nullptr;
  const service::Audit* audit_ = nullptr;
  std::map<std::string, Polls> agents_;
  std::map<std::string, Refusals> refusals_;
};

}  // namespace certctl::server
