#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "core/base/json.hpp"
#include "core/plugin/fields.hpp"

namespace certctl::plugin {

/// Tells running calls to stop. Shared by whoever may cancel and the call itself; all members from any thread.
class Cancellation {
 public:
  Cancellation() = default;
  ~Cancellation();
  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;

  void cancel();
  bool cancelled() const;
  /// An eventfd that becomes readable when cancelled; made at the first use. -1: the process has no descriptor left.
  int descriptor();

  /// Cancelled together with `parent` from now on, until detached.
  void follow(Cancellation& parent);
  void unfollow(Cancellation& parent);

 private:
  mutable std::mutex mutex_;
  bool cancelled_ = false;
  int descriptor_ = -1;
  std::vector<Cancellation*> followers_;
};

/// What one call of an operation carries.
struct Call {
  Fields in;
  /// The request's own options, laid over the settings. Each must be `x-per-request` in the schema.
  json::Raw options;
  /// From now on.
  std::chrono::milliseconds timeout{30'000};
  /// Set to cancel the call before its deadline.
  std::shared_ptr<Cancellation> cancellation;
  std::string request_id;
  /// Makes the bytes durable before it returns true; false: this intent is no longer ours, the plugin must not go on.
  /// Runs on the plugin's thread, without a lock. Unset: the plugin's checkpoint fails.
  std::function<bool(std::span<const std::uint8_t>)> checkpoint;
};

}  // namespace certctl::plugin
