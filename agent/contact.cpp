#include "agent/contact.hpp"

#include <algorithm>

#include "agent/messages.hpp"

namespace certctl::agent {

void Contact::succeeded() {
  if (back_off_.failures() > 0) log::write(kContactBack, {{"activity", activity_}});
  back_off_.reset();
  refusal_logged_.reset();
}

Duration Contact::failed(const Answer& answer) {
  const Duration wait = back_off_.next();
  if (answer.verdict == Verdict::unauthorised || answer.verdict == Verdict::forbidden) {
    if (try_another_key()) return std::chrono::milliseconds(100);
    log_refusal(answer);
    return wait;
  }
  const Duration chosen =
      answer.retry_after ? std::max<Duration>(*answer.retry_after, std::chrono::milliseconds(500)) : wait;
  log::write(kContactLost, {{"activity", activity_},
                            {"error", answer.problem},
                            {"failures", back_off_.failures()},
                            {"retry_in_ms", std::chrono::duration_cast<std::chrono::milliseconds>(chosen).count()}});
  return chosen;
}

/// A key file may have been replaced; a key of the agent's own is better than a configured one that is refused.
bool Contact::try_another_key() {
  if (control_plane_.reread_key()) return true;
  if (own_key_.empty()) return false;
  control_plane_.use_key(std::move(own_key_));
  own_key_ = Secret();
  return true;
}

void Contact::log_refusal(const Answer& answer) {
  const auto now = std::chrono::steady_clock::now();
  if (refusal_logged_ && now - *refusal_logged_ < std::chrono::hours(1)) return;
  refusal_logged_ = now;
  log::write(answer.verdict == Verdict::forbidden ? kForbidden : kUnauthorised,
             {{"activity", activity_}, {"error", answer.problem}});
}

}  // namespace certctl::agent
