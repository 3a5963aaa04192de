#include "agent/crash_point.hpp"

#ifdef CERTCTL_TEST_HOOKS
#include <unistd.h>

#include <cstdlib>
#endif

namespace certctl::agent {

#ifdef CERTCTL_TEST_HOOKS
void crash_point(std::string_view step) {
  const char* wanted = std::getenv("CERTCTL_CRASH_AT");
  if (wanted != nullptr && step == wanted) ::_exit(137);
}
#else
void crash_point(std::string_view) {}
#endif

}  // namespace certctl::agent
