#pragma once

namespace certctl {

/// What was built, from what, when and by which compiler; fixed when CMake configured.
struct BuildInfo {
  const char* version;
  const char* commit;
  const char* build_time;  ///< RFC 3339, UTC
  const char* compiler;
};

const BuildInfo& build_info();

}  // namespace certctl
