#pragma once

#include <string_view>

namespace certctl {

/// A place where a crash must lose nothing and double nothing. In builds with CERTCTL_TEST_HOOKS the process ends here
/// like one that was killed (`_exit(137)`) when CERTCTL_CRASH_AT names `step`; in others this is nothing.
#ifdef CERTCTL_TEST_HOOKS
void crash_point(std::string_view step);
#else
inline void crash_point(std::string_view) {}
#endif

}  // namespace certctl
