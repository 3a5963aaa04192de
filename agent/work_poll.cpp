#include "agent/work_poll.hpp"

#include <fmt/format.h>

#include "agent/messages.hpp"
#include "core/base/error.hpp"
#include "core/base/text.hpp"

namespace certctl::agent {
namespace {

constexpr auto kServerWait = std::chrono::seconds(50);
/// More jobs than this are not asked for: what waits here too long loses its lease.
constexpr std::size_t kMostJobs = 200;
/// Between two polls, however fast the server answers.
constexpr auto kLeastPause = std::chrono::milliseconds(100);

}  // namespace

Duration WorkPoll::turn(bool may_wait) {
  well_ = false;
  if (session_.agent_id().empty()) return std::chrono::seconds(60);  // the registration wakes us
  if (jobs_.size() >= kMostJobs) return heartbeat_.pace().poll;
  const bool long_poll = may_wait && session_.control_plane().offers("long_poll");
  RequestOptions options{.cancellation = cancellation_};
  if (long_poll) options.time_limit = kServerWait + std::chrono::seconds(10);
  const auto began = session_.clock().steady();
  const Answer answer = session_.control_plane().get(
      session_.path(long_poll ? fmt::format("/work?wait={}", kServerWait.count()) : "/work"), options);
  if (cancellation_.cancelled()) return heartbeat_.pace().poll;
  switch (answer.verdict) {
    case Verdict::ok:
      return take(answer, long_poll, std::chrono::duration_cast<Duration>(session_.clock().steady() - began));
    case Verdict::retired:
      ending_.retired("work_poll", answer);
      return heartbeat_.pace().poll;
    case Verdict::not_found:
      session_.signals().heartbeat();
      break;  // it finds out why, and registers
    default:
      break;
  }
  return contact_.failed(answer);
}

Duration WorkPoll::take(const Answer& answer, bool long_poll, Duration took) {
  Work work;
  try {
    work = parse_work(answer.body);
  } catch (const Error& e) {
    Answer unusable;
    unusable.problem = e.what();
    return contact_.failed(unusable);
  }
  contact_.succeeded();
  well_ = true;
  for (const auto& why : work.refused) log::write(kWorkRefused, {{"error", why}});
  bool any_new = false;
  for (const auto& item : work.items) any_new = offer(item) || any_new;
  if (!long_poll) return jittered(heartbeat_.pace().poll);
  if (any_new) return kLeastPause;
  // An empty answer before its time, or only known jobs: a server that does not wait must not be asked in a circle.
  return took > std::chrono::seconds(1) ? Duration(kLeastPause)
                                        : jittered(std::min<Duration>(heartbeat_.pace().poll, std::chrono::seconds(5)));
}

/// Whether the item is new here.
bool WorkPoll::offer(const WorkItem& item) {
  if (!item.wants_csr() && !item.is_deployment()) {
    if (ignored_.size() < 100 && ignored_.insert(item.type).second)
      log::write(kWorkIgnored, {{"job_id", item.id}, {"type", printable(shorten(item.type, 100))}});
    return false;
  }
  switch (jobs_.offer(item)) {
    case JobBoard::Offer::accepted:
      return true;
    case JobBoard::Offer::known:
      return false;
    case JobBoard::Offer::finished:
      break;
  }
  if (outbox_.repeat(item.id)) log::write(kJobRepeated, {{"job_id", item.id}});
  session_.signals().outbox();
  return false;
}

}  // namespace certctl::agent
