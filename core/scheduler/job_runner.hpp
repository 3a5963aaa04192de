#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "core/db/wake_ups.hpp"
#include "core/scheduler/worker_pool.hpp"
#include "core/service/issuance.hpp"
#include "core/service/revocation.hpp"

namespace certctl::scheduler {

struct JobRunnerSettings {
  std::string instance_id;
  std::size_t workers = 25;
  Duration lease = std::chrono::seconds(60);
  std::chrono::milliseconds poll = std::chrono::seconds(1);
};

/// Claims issuance jobs of all lanes, as many as there are free workers, and has them run; delivers effects; keeps the
/// leases of what runs. Every replica has one.
class JobRunner {
 public:
  JobRunner(db::Database& database, db::WakeUps& wake_ups, service::Issuance& issuance, service::RevocationNotice& notices, const Clock& clock,
            JobRunnerSettings settings);
  ~JobRunner();

  /// Frees what an earlier life of this instance had leased, then starts.
  void start();
  /// Stops claiming and lets what runs end within `patience`; then the issuers' calls are cancelled, and their jobs are
  /// put back or, once the CA was asked, looked up after the restart. Idempotent.
  void stop(Duration patience = std::chrono::seconds(30));

  /// A job that the caller has leased for this instance: run at once, `done` afterwards on the worker's thread.
  void run_now(const service::Issuance::Accepted& accepted, std::function<void()> done);

  std::size_t busy() const { return pool_.busy(); }

 private:
  void claim_loop();
  void keep_loop();
  std::size_t claim();
  void deliver_effects();

  db::Database& database_;
  db::WakeUps& wake_ups_;
  service::Issuance& issuance_;
  service::RevocationNotice& notices_;
  const Clock& clock_;
  const JobRunnerSettings settings_;
  WorkerPool pool_;
  std::vector<db::Subscription> subscriptions_;
  std::mutex mutex_;
  std::condition_variable ready_;
  bool woken_ = false;
  bool stopping_ = false;
  std::thread claimer_, keeper_;
};

}  // namespace certctl::scheduler
