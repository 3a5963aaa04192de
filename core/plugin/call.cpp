#include "core/plugin/call.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

namespace certctl::plugin {

Cancellation::~Cancellation() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void Cancellation::cancel() {
  std::scoped_lock lock(mutex_);
  if (cancelled_) return;
  cancelled_ = true;
  if (descriptor_ >= 0) ::eventfd_write(descriptor_, 1);
  for (Cancellation* follower : followers_) follower->cancel();  // locks go from parent to follower only
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

void Cancellation::follow(Cancellation& parent) {
  std::scoped_lock lock(parent.mutex_);
  parent.followers_.push_back(this);
  if (parent.cancelled_) cancel();
}

void Cancellation::unfollow(Cancellation& parent) {
  std::scoped_lock lock(parent.mutex_);
  std::erase(parent.followers_, this);
}

}  // namespace certctl::plugin
