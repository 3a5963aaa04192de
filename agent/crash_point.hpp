#pragma once

#include <string_view>

namespace certctl::agent {

/// Where a test may let the process die as if by `kill -9`: with the environment variable CERTCTL_CRASH_AT=<step> the
/// process ends by _exit(137) here. Steps: key_stored, csr_submitted, certificate_fetched, deployed, report_written.
/// Nothing at all in builds without CERTCTL_TEST_HOOKS.
void crash_point(std::string_view step);

}  // namespace certctl::agent
