#include "core/service/audit.hpp"

#include <algorithm>

#include "core/base/error.hpp"
#include "core/base/id.hpp"
#include "core/base/text.hpp"
#include "core/domain/described.hpp"
#include "core/service/messages.hpp"
#include "core/service/redaction.hpp"
#include "core/store/audit.hpp"

namespace certctl::service {

using namespace std::chrono_literals;

domain::AuditEvent Audit::event(const Actor& actor, const Entry& entry) const {
  domain::AuditEvent event;
  event.id = new_id("audit", clock_);
  event.actor = actor.name;
  event.actor_type = actor.type;
  event.action = entry.action;
  event.resource_type = entry.resource_type;
  event.resource_id = entry.resource_id;
  event.details = redact_details(entry.details);
  event.timestamp = clock_.now();
  return event;
}

void Audit::record_as(db::Executor db, const Actor& actor, const std::string& request_id, const Entry& entry) const {
  store::audit::insert(db, event(actor, entry), request_id);
}

void Audit::record(db::Executor db, const Context& context, const Entry& entry) const {
  record_as(db, context.actor, context.request_id, entry);
}

domain::AuditEvent Audit::call_event(const Actor& actor, const ApiCall& call, int status) const {
  const auto latency = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.steady() - call.started).count();
  json::Writer details;
  details.begin_object();
  details.field("method", call.method).field("path", call.path).field("body_hash", call.body_hash);
  details.field("status", status).field("latency_ms", std::int64_t(std::max<std::int64_t>(latency, 0)));
  details.end_object();
  return event(actor, {"api_" + lower(call.method), "api", call.path, json::Raw{details.take()}});
}

void Audit::record_call(db::Executor db, const Context& context) const {
  if (context.call == nullptr) return;
  store::audit::insert(db, call_event(context.actor, *context.call, context.call->success_status), context.request_id);
  context.call->recorded = true;
}

AuditQueue::AuditQueue(db::Database& database, std::size_t limit)
    : database_(database), limit_(limit), thread_([this] { run(); }) {}

AuditQueue::~AuditQueue() { stop(); }

bool AuditQueue::push(domain::AuditEvent event) {
  std::scoped_lock lock(mutex_);
  if (waiting_.size() >= limit_) {
    ++dropped_;
    return false;
  }
  waiting_.push_back(std::move(event));
  if (waiting_.size() >= 500) ready_.notify_one();
  return true;
}

bool AuditQueue::stop() {
  {
    std::scoped_lock lock(mutex_);
    if (stopping_) return !lost_;
    stopping_ = true;
  }
  ready_.notify_one();
  thread_.join();
  return !lost_;
}

void AuditQueue::run() {
  constexpr std::size_t kBatch = 500;
  std::unique_lock lock(mutex_);
  for (;;) {
    ready_.wait_for(lock, 100ms, [this] { return stopping_ || waiting_.size() >= kBatch; });
    const bool last = stopping_;
    std::vector<domain::AuditEvent> batch;
    batch.swap(waiting_);
    const std::size_t dropped = std::exchange(dropped_, 0);
    lock.unlock();
    if (dropped != 0) log::write(messages::kAuditDropped, {{"count", dropped}});
    std::size_t done = 0;
    try {
      while (done < batch.size()) {
        const std::size_t count = std::min(kBatch, batch.size() - done);
        store::audit::insert_all(database_, std::span(batch).subspan(done, count));
        done += count;
      }
    } catch (const Error& e) {
      log::write(messages::kAuditWriteFailed, {{"error", e.what()}, {"waiting", batch.size() - done}});
    }
    lock.lock();
    if (done < batch.size()) {
      batch.erase(batch.begin(), batch.begin() + std::ptrdiff_t(done));
      if (last) {
        lost_ = true;
        return;
      }
      batch.insert(batch.end(), waiting_.begin(), waiting_.end());
      waiting_ = std::move(batch);
      if (waiting_.size() > limit_) waiting_.resize(limit_);
      ready_.wait_for(lock, 1s, [this] { return stopping_; });
      continue;
    }
    if (last && waiting_.empty()) return;
  }
}

}  // namespace certctl::service
