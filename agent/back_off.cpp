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

Duration BackOff::after(int earlier, Duration most, const RandomFraction& random) {
  constexpr Duration kLeast = std::chrono::milliseconds(50);
  const Duration longest = std::min<Duration>(most, kFirst * (std::int64_t(1) << std::min(earlier, 20)));
  return kLeast + Duration(std::int64_t(random() * double((longest - kLeast).count())));
}

Duration jittered(Duration interval, const RandomFraction& random) {
  return Duration(std::int64_t(double(interval.count()) * (0.9 + 0.2 * random())));
}

}  // namespace certctl::agent
