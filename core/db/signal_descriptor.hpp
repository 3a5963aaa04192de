#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "core/base/error.hpp"

namespace certctl::db {

/// A descriptor that one thread waits on and others make readable.
class SignalDescriptor {
 public:
  SignalDescriptor() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (descriptor_ < 0) throw internal("no file descriptor is left to wake a thread with");
  }
  ~SignalDescriptor() { ::close(descriptor_); }
  SignalDescriptor(const SignalDescriptor&) = delete;
  SignalDescriptor& operator=(const SignalDescriptor&) = delete;

  void raise() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(descriptor_, &one, sizeof one);
  }
  void clear() {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = ::read(descriptor_, &count, sizeof count);
  }
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

}  // namespace certctl::db
