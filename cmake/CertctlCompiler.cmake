set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
# Not CMake's -O3: up to a fifth more time for a source, and the heavy work is OpenSSL's and PostgreSQL's.
set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")

find_program(CERTCTL_CCACHE ccache)
if(CERTCTL_CCACHE)
  # Precompiled headers need this sloppiness, else every object misses the cache.
  set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CERTCTL_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_C_COMPILER_LAUNCHER})
endif()

find_program(CERTCTL_MOLD mold)
if(CERTCTL_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

add_compile_options(-Wall -Wextra -Werror -fstack-protector-strong -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Precompiled headers and ccache agree only with this flag.
  add_compile_options(-fpch-preprocess)
endif()
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  add_compile_options(-fcf-protection)
endif()
add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack)

set(CERTCTL_SANITIZE "" CACHE STRING "Comma-separated sanitizers: address,undefined or thread")
if(CERTCTL_SANITIZE)
  add_compile_options(-fsanitize=${CERTCTL_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${CERTCTL_SANITIZE})
  # gcc's instrumentation raises false alarms in header-only libraries: warnings are judged in the other builds.
  add_compile_options(-Wno-error)
  # Enough for stack traces with lines; more only slows the build.
  set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O1 -g1")
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1")
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_definitions(_FORTIFY_SOURCE=2)
endif()

# Crash points and other levers of the tests; packages are built without.
option(CERTCTL_TEST_HOOKS "Build the levers that the crash tests pull" ON)
if(CERTCTL_TEST_HOOKS)
  add_compile_definitions(CERTCTL_TEST_HOOKS)
endif()
