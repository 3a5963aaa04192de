#pragma once

#include <functional>
#include <string>

#include "agent/job_board.hpp"
#include "agent/key_store.hpp"
#include "agent/session.hpp"

namespace certctl::agent {

/// Key and request for a certificate (agent.md §6): the key is stored before the request is sent, and a job that is
/// repeated sends the same request again.
class CsrJobs {
 public:
  CsrJobs(Session& session, KeyStore& keys) : session_(session), keys_(keys) {}

  Step run(Job& job);

 private:
  Step submit(Job& job, const KeyRecord& record);
  /// What was submitted before may have been signed already, though nobody heard the answer.
  enum class Fate { unknown, signed_already, ask_again };
  Fate fate_of(const KeyRecord& record, Answer& answer);

  Session& session_;
  KeyStore& keys_;
};

/// The item's names as a request: empty ones dropped. Throws Error(invalid) with upstream's texts.
KeyRequest key_request(const WorkItem& item);

}  // namespace certctl::agent
