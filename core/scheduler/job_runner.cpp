#include "core/scheduler/job_runner.hpp"

#include <algorithm>

#include "core/base/error.hpp"
#include "core/scheduler/messages.hpp"
#include "core/store/effects.hpp"
#include "core/store/jobs.hpp"

namespace certctl::scheduler {

using namespace std::chrono_literals;

namespace {

constexpr int kEffectsABatch = 32;
/// After a week the CA is not asked any more.
constexpr std::int64_t kEffectAttempts = 60;

Duration effect_pause(std::int64_t attempts) {
  Duration pause = 1min;
  for (std::int64_t i = 1; i < attempts && pause < Duration(6h); ++i) pause *= 2;
  return std::min<Duration>(pause, 6h);
}

}  // namespace

JobRunner::JobRunner(db::Database& database, db::WakeUps& wake_ups, service::Issuance& issuance, service::RevocationNotice& notices,
                     const Clock& clock, JobRunnerSettings settings)
    : database_(database), wake_ups_(wake_ups), issuance_(issuance), notices_(notices), clock_(clock), settings_(std::move(settings)),
      pool_(settings_.workers) {}

JobRunner::~JobRunner() { stop(); }

void JobRunner::start() {
  store::jobs::release_server_leases(database_, settings_.instance_id);
  const auto wake = [this](const std::vector<std::string>&) {
    {
      std::scoped_lock lock(mutex_);
      woken_ = true;
    }
    ready_.notify_all();
  };
  subscriptions_.push_back(wake_ups_.subscribe("jobs", wake));
  subscriptions_.push_back(wake_ups_.subscribe("effects", wake));
  claimer_ = std::thread([this] { claim_loop(); });
  keeper_ = std::thread([this] { keep_loop(); });
}

void JobRunner::stop(Duration patience) {
  {
    std::scoped_lock lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
  }
  ready_.notify_all();
  subscriptions_.clear();
  if (claimer_.joinable()) claimer_.join();
  if (!pool_.wait_idle(patience)) issuance_.cancel_calls();
  pool_.stop();
  if (keeper_.joinable()) keeper_.join();
}

void JobRunner::run_now(const service::Issuance::Accepted& accepted, std::function<void()> done) {
  pool_.post([this, job = *accepted.job, signing = accepted.signing, done = std::move(done)] {
    issuance_.run(job, signing);
    done();
  });
}

std::size_t JobRunner::claim() {
  std::size_t claimed = 0;
  const auto take = [&](const std::vector<domain::Job>& jobs) {
    for (const auto& job : jobs) {
      log::write(messages::kJobClaimed, {{"job_id", job.id}, {"lane", *job.lane}});
      pool_.post([this, job] { issuance_.run(job); });
    }
    claimed += jobs.size();
  };
  if (const std::size_t free = pool_.free(); free > 0) take(store::jobs::claim_parked(database_, int(free), settings_.instance_id, settings_.lease));
  const auto lanes = store::jobs::lanes_with_work(database_);
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    const std::size_t free = pool_.free();
    if (free == 0) break;
    const std::size_t share = std::max<std::size_t>(1, (free + lanes.size() - i - 1) / (lanes.size() - i));
    take(database_.transaction([&](db::Transaction& tx) {
      return store::jobs::claim_lane(tx, lanes[i], int(share), settings_.instance_id, settings_.lease);
    }));
  }
  return claimed;
}

void JobRunner::deliver_effects() {
  for (const auto& effect : store::effects::claim(database_, kEffectsABatch, settings_.instance_id, 2min)) {
    pool_.post([this, effect] {
      const auto result = notices_.deliver(effect);
      if (result.done || result.final_failure || effect.attempts >= kEffectAttempts) {
        store::effects::done(database_, effect, settings_.instance_id);
        if (!result.done) notices_.give_up(effect, result.error);
      } else {
        store::effects::later(database_, effect, settings_.instance_id, clock_.now() + effect_pause(effect.attempts), result.error);
      }
    });
  }
}

void JobRunner::claim_loop() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    woken_ = false;
    lock.unlock();
    try {
      claim();
      deliver_effects();
    } catch (const Error& e) {
      log::write(messages::kClaimFailed, {{"error", e.what()}});
    }
    lock.lock();
    ready_.wait_for(lock, settings_.poll, [this] { return woken_ || stopping_; });
  }
}

void JobRunner::keep_loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ready_.wait_for(lock, std::chrono::duration_cast<std::chrono::milliseconds>(settings_.lease) / 3, [this] { return stopping_ && pool_.busy() == 0; });
    if (stopping_ && pool_.busy() == 0) return;
    if (pool_.busy() == 0) continue;
    lock.unlock();
    try {
      store::jobs::extend_all(database_, settings_.instance_id, settings_.lease);
    } catch (const Error& e) {
      log::write(messages::kClaimFailed, {{"error", e.what()}});
    }
    lock.lock();
  }
}

}  // namespace certctl::scheduler
