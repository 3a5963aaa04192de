#pragma once

#include <algorithm>

#include "core/domain/described.hpp"

namespace certctl::domain {

/// Spares a failing peer, and those who wait behind it: opened by five failures in a row, or by more than half of at least
/// twenty tries in a minute. It stays open for 30 s, then lets one try through; each try that fails doubles the time, up to
/// 15 minutes. Kept as JSON beside what it guards, so that all replicas share it.
struct CircuitBreaker {
  std::int32_t failures = 0;  ///< in a row
  std::int32_t openings = 0;  ///< since it was last closed
  std::optional<Time> open_until;
  std::optional<Time> probe_until;   ///< a try was let through; nobody else may before that moment
  std::optional<Time> window_since;  ///< begins with a failure
  std::int32_t window_tries = 0;
  std::int32_t window_failures = 0;

  bool closed() const { return !open_until; }
  /// Open long enough, and nobody tries: whoever calls begin_probe() may try once.
  bool admits_probe(Time now) const { return open_until && *open_until <= now && (!probe_until || *probe_until <= now); }
  void begin_probe(Time now, Duration longest) { probe_until = now + longest; }
  /// Nothing to remember: a success changes nothing.
  bool at_rest() const { return failures == 0 && closed() && !window_since; }

  void succeeded(Time now);
  void failed(Time now);
  /// The peer asked for a pause: no failure, but nothing is tried before.
  void pause(Time until) { open_until = open_until ? std::max(*open_until, until) : until; }

 private:
  void count(Time now, bool failure);
};
BOOST_DESCRIBE_STRUCT(CircuitBreaker, (),
                      (failures, openings, open_until, probe_until, window_since, window_tries, window_failures))

inline void CircuitBreaker::count(Time now, bool failure) {
  if (window_since && now - *window_since > std::chrono::minutes(1)) {
    window_since.reset();
    window_tries = window_failures = 0;
  }
  if (!window_since && failure) window_since = now;
  if (!window_since) return;
  ++window_tries;
  if (failure) ++window_failures;
}

inline void CircuitBreaker::succeeded(Time now) {
  count(now, false);
  failures = 0;
  if (open_until && *open_until <= now) *this = {};
}

inline void CircuitBreaker::failed(Time now) {
  using namespace std::chrono_literals;
  count(now, true);
  ++failures;
  const bool still_open = open_until && *open_until > now;  // by somebody whose try was under way
  const bool probe_failed = open_until && *open_until <= now;
  const bool mostly_failing = window_tries >= 20 && window_failures * 2 > window_tries;
  if (still_open || !(probe_failed || failures >= 5 || mostly_failing)) return;
  const Duration pause = std::min<Duration>(30s * (1 << std::min(openings, 5)), 15min);
  ++openings;
  open_until = now + pause;
  probe_until.reset();
}

}  // namespace certctl::domain
