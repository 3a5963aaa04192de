#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
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

  /// Calls `listener` once, on the thread that cancels or, when that has happened already, at once: short, without a
  /// call back into this object. Returns a handle for forget(), after which the listener is not called any more.
  std::uint64_t listen(std::function<void()> listener);
  void forget(std::uint64_t handle);

 private:
  mutable std::mutex mutex_;
  bool cancelled_ = false;
  int descriptor_ = -1;
  std::uint64_t next_handle_ = 1;
  std::vector<std::pair<std::uint64_t, std::function<void()>>> listeners_;
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
