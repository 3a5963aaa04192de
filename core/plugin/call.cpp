#include "core/plugin/call.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

namespace certctl::plugin {

Cancellation::~Cancellation() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void Cancellation::cancel() {
  std::scoped_lock lock(mutex_);
  if (cancelled_) return;
  cancelled_ = true;
  if (descriptor_ >= 0) ::eventfd_write(descriptor_, 1);
  for (const auto& [handle, listener] : listeners_) listener();
}

bool Cancellation::cancelled() const {
  std::scoped_lock lock(mutex_);
  return cancelled_;
}

int Cancellation::descriptor() {
  std::scoped_lock lock(mutex_);
  if (descriptor_ < 0) descriptor_ = ::eventfd(cancelled_ ? 1 : 0, EFD_CLOEXEC | EFD_NONBLOCK);
  return descriptor_;
}

std::uint64_t Cancellation::listen(std::function<void()> listener) {
  std::scoped_lock lock(mutex_);
  if (cancelled_)
    listener();
  else
    listeners_.emplace_back(next_handle_, std::move(listener));
  return next_handle_++;
}

void Cancellation::forget(std::uint64_t handle) {
  std::scoped_lock lock(mutex_);
  std::erase_if(listeners_, [handle](const auto& known) { return known.first == handle; });
}

}  // namespace certctl::plugin
