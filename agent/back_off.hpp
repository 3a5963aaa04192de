#pragma once

#include <functional>

#include "core/base/clock.hpp"

namespace certctl::agent {

/// A number from 0 (included) to 1 (excluded).
using RandomFraction = std::function<double()>;
double random_fraction();

/// How long an activity waits after its n-th failure in a row: exponential with full jitter, so that thousands of
/// agents do not come back at once. One object an activity; not for several threads.
class BackOff {
 public:
  static constexpr Duration kFirst = std::chrono::seconds(1);
  static constexpr Duration kMost = std::chrono::minutes(5);

  explicit BackOff(RandomFraction random = random_fraction) : random_(std::move(random)) {}

  /// The wait after another failure: 50 ms to 1 s, then up to 2 s, 4 s, … 5 min.
  Duration next() { return after(failures_++, kMost, random_); }
  /// The wait after a failure that `earlier` ones went before.
  static Duration after(int earlier, Duration most, const RandomFraction& random = random_fraction);
  void reset() { failures_ = 0; }
  int failures() const { return failures_; }

 private:
  RandomFraction random_;
  int failures_ = 0;
};

/// `interval` ± 10 %.
Duration jittered(Duration interval, const RandomFraction& random = random_fraction);

}  // namespace certctl::agent
