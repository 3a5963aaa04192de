# Version facts that programs print; the commit is read when CMake configures.
find_package(Git QUIET)
set(CERTCTL_COMMIT "")
if(GIT_FOUND)
  execute_process(COMMAND "${GIT_EXECUTABLE}" rev-parse --short=12 HEAD WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
    OUTPUT_VARIABLE CERTCTL_COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
string(TIMESTAMP CERTCTL_BUILD_TIME "%Y-%m-%dT%H:%M:%SZ" UTC)
configure_file("${PROJECT_SOURCE_DIR}/cmake/build_info.cpp.in" "${PROJECT_BINARY_DIR}/generated/build_info.cpp" @ONLY)
