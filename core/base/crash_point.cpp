#include "core/base/crash_point.hpp"

#ifdef CERTCTL_TEST_HOOKS

#include <unistd.h>

#include <cstdlib>

namespace certctl {

void crash_point(std::string_view step) {
  const char* wanted = std::getenv("CERTCTL_CRASH_AT");
  if (wanted != nullptr && step == wanted) ::_exit(137);
}

}  // namespace certctl

#endif
