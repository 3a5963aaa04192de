#include "core/base/random.hpp"

#include <sys/random.h>

#include <cerrno>

#include "core/base/error.hpp"

namespace certctl {

void fill_random(std::span<std::uint8_t> out) {
  while (!out.empty()) {
    const ssize_t got = ::getrandom(out.data(), out.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) throw internal("the kernel's random generator failed");
    out = out.subspan(std::size_t(got));
  }
}

}  // namespace certctl
