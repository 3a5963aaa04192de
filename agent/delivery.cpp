#include "agent/delivery.hpp"

#include <set>
#include <thread>

#include "agent/messages.hpp"
#include "core/base/json.hpp"

namespace certctl::agent {
namespace {

constexpr std::string_view kAgentMark = "/agents/{agent}";

}  // namespace

Duration Delivery::turn(std::chrono::milliseconds time_limit) {
  constexpr Duration kIdle = std::chrono::hours(1);
  outbox_.prune();
  if (session_.agent_id().empty()) return std::chrono::seconds(5);
  RequestOptions options;
  options.time_limit = time_limit;
  std::set<std::string> blocked;  // a job's letters keep their order
  std::optional<Answer> failure;
  for (const auto& letter : outbox_.waiting()) {
    if (blocked.contains(letter.job_id)) continue;
    const bool as_agent = letter.path.starts_with(kAgentMark);
    const std::string path = as_agent ? session_.path(letter.path.substr(kAgentMark.size())) : letter.path;
    Answer answer = session_.control_plane().post(path, letter.body, options);
    const Fate fate = deliver(letter, answer);
    if (fate == Fate::done) continue;
    blocked.insert(letter.job_id);
    failure = std::move(answer);
    if (fate == Fate::stop) break;
  }
  if (failure) return contact_.failed(*failure);
  contact_.succeeded();
  return outbox_.size() == 0 ? kIdle : Duration{};
}

Delivery::Fate Delivery::deliver(const Letter& letter, const Answer& answer) {
  switch (answer.verdict) {
    case Verdict::ok:
      outbox_.delivered(letter);
      return Fate::done;
    case Verdict::retired:
      discard(letter, answer);
      session_.signals().heartbeat();
      return Fate::done;
    case Verdict::too_large:
      if (!shrink(letter)) discard(letter, answer);
      return Fate::done;
    case Verdict::conflict:
    case Verdict::not_found:
    case Verdict::refused:
      discard(letter, answer);
      return Fate::done;
    case Verdict::failed:
      return answer.status == 0 ? Fate::stop : Fate::later;
    default:
      return Fate::stop;
  }
}

/// Without the numbers a report is still complete; false: there is nothing to leave out any more.
bool Delivery::shrink(const Letter& letter) {
  json::Document body = json::parse(letter.body);
  if (!body.IsObject() || !body.RemoveMember("deployment")) return false;
  outbox_.shrink(letter, json::dump(body));
  return true;
}

void Delivery::discard(const Letter& letter, const Answer& answer) {
  log::write(kReportRefused, {{"job_id", letter.job_id}, {"status", letter.status}, {"error", answer.problem}});
  outbox_.discard(letter);
}

void Delivery::flush(std::chrono::milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  while (outbox_.size() != 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) break;
    const Duration wait = turn(left);
    if (outbox_.size() == 0) return;
    std::this_thread::sleep_for(std::min<Duration>(wait, std::min<Duration>(left, std::chrono::milliseconds(500))));
  }
  if (outbox_.size() != 0) log::write(kReportsWait, {{"count", outbox_.size()}});
}

}  // namespace certctl::agent
