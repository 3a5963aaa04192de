#include "core/http/limiter.hpp"

#include <algorithm>
#include <cmath>

namespace certctl::http {
namespace {

std::chrono::seconds whole_seconds(double seconds) {
  return std::chrono::seconds(std::int64_t(std::ceil(std::clamp(seconds, 0.0, 86'400.0))));
}

}  // namespace

TokenBuckets::TokenBuckets(Rate rate, const Clock& clock, std::size_t capacity)
    : rate_(rate), clock_(clock), capacity_(capacity) {}

TokenBuckets::Verdict TokenBuckets::take(std::string_view key) { return decide(key, 1); }
TokenBuckets::Verdict TokenBuckets::peek(std::string_view key) { return decide(key, 0); }

TokenBuckets::Verdict TokenBuckets::decide(std::string_view key, double cost) {
  std::scoped_lock lock(mutex_);
  const auto now = clock_.steady();
  auto found = index_.find(key);
  if (found == index_.end()) {
    if (buckets_.size() >= capacity_) {
      index_.erase(buckets_.back().key);
      buckets_.pop_back();
    }
    buckets_.push_front({std::string(key), rate_.burst, now});
    found = index_.emplace(buckets_.front().key, buckets_.begin()).first;
  } else {
    buckets_.splice(buckets_.begin(), buckets_, found->second);
  }
  Bucket& bucket = *found->second;
  const double elapsed = std::chrono::duration<double>(now - bucket.at).count();
  bucket.tokens = std::min(rate_.burst, bucket.tokens + elapsed * rate_.per_second);
  bucket.at = now;

  Verdict verdict;
  verdict.allowed = bucket.tokens >= 1;
  if (verdict.allowed)
    bucket.tokens -= cost;
  else
    verdict.retry_after = std::max(std::chrono::seconds(1), whole_seconds((1 - bucket.tokens) / rate_.per_second));
  verdict.limit = rate_.burst;
  verdict.remaining = std::max(0.0, std::floor(bucket.tokens));
  verdict.reset = whole_seconds((rate_.burst - bucket.tokens) / rate_.per_second);
  return verdict;
}

void TokenBuckets::set_rate(Rate rate) {
  std::scoped_lock lock(mutex_);
  rate_ = rate;
}

std::size_t TokenBuckets::size() const {
  std::scoped_lock lock(mutex_);
  return buckets_.size();
}

}  // namespace certctl::http
