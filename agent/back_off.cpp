#include "agent/back_off.hpp"

#include <algorithm>
#include <cstring>

#include "core/base/random.hpp"

namespace certctl::agent {

double random_fraction() {
  std::uint8_t bytes[4];
  fill_random(bytes);
  std::uint32_t number = 0;
  std::memcpy(&number, bytes, sizeof number);
  return double(number) / 4294967296.0;
}

Duration BackOff::next() {
  constexpr Duration kLeast = std::chrono::milliseconds(50);
  const int doublings = std::min(failures_++, 20);
  const Duration most = std::min<Duration>(kMost, kFirst * (std::int64_t(1) << doublings));
  return kLeast + Duration(std::int64_t(random_() * double((most - kLeast).count())));
}

Duration jittered(Duration interval, const RandomFraction& random) {
  return Duration(std::int64_t(double(interval.count()) * (0.9 + 0.2 * random())));
}

}  // namespace certctl::agent
