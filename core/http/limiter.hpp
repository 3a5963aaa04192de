#pragma once

#include <chrono>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/base/clock.hpp"

namespace certctl::http {

struct Rate {
  double per_second = 50;
  double burst = 100;
  bool operator==(const Rate&) const = default;
};

/// Token buckets by key, at most `capacity` of them: the one unused for longest is forgotten (and would be full by
/// then). Thread-safe.
class TokenBuckets {
 public:
  TokenBuckets(Rate rate, const Clock& clock, std::size_t capacity = 100'000);

  struct Verdict {
    bool allowed = true;
    double limit = 0;
    double remaining = 0;
    std::chrono::seconds retry_after{0};  ///< to the next token, at least 1 when refused
    std::chrono::seconds reset{0};        ///< until the bucket is full
  };
  Verdict take(std::string_view key);
  /// As take(), without taking.
  Verdict peek(std::string_view key);
  void set_rate(Rate rate);
  std::size_t size() const;

 private:
  struct Bucket {
    std::string key;
    double tokens;
    std::chrono::steady_clock::time_point at;
  };
  Verdict decide(std::string_view key, double cost);

  Rate rate_;
  const Clock& clock_;
  std::size_t capacity_;
  mutable std::mutex mutex_;
  std::list<Bucket> buckets_;  ///< most recently used first
  std::unordered_map<std::string_view, std::list<Bucket>::iterator> index_;
};

}  // namespace certctl::http
