# Debian 12 packages only; packages.txt names each. A missing one is reported with the remedy.
find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(PostgreSQL REQUIRED)
find_package(Poco 1.11 REQUIRED COMPONENTS Foundation Util Net NetSSL Crypto)
find_package(fmt 9 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
find_path(CERTCTL_BOOST_INCLUDE boost/describe.hpp)
find_path(CERTCTL_RAPIDJSON_INCLUDE rapidjson/document.h)
if(NOT CERTCTL_BOOST_INCLUDE OR NOT CERTCTL_RAPIDJSON_INCLUDE)
  message(FATAL_ERROR "Boost 1.81 headers or RapidJSON are missing. Run scripts/install-packages (libboost-dev is Boost 1.74 and does not do).")
endif()

# Header-only Boost: Describe, DLL, Asio, Beast. Each user names it.
add_library(certctl_boost INTERFACE)
target_include_directories(certctl_boost SYSTEM INTERFACE "${CERTCTL_BOOST_INCLUDE}")
target_compile_definitions(certctl_boost INTERFACE BOOST_DLL_USE_STD_FS BOOST_ALL_NO_LIB)

# RapidJSON aborts on a wrong type unless told to throw; see core/base/json.hpp.
add_library(certctl_rapidjson INTERFACE)
target_include_directories(certctl_rapidjson SYSTEM INTERFACE "${CERTCTL_RAPIDJSON_INCLUDE}")
target_compile_definitions(certctl_rapidjson INTERFACE RAPIDJSON_HAS_STDSTRING=1 RAPIDJSON_ASSERT_THROWS=1)
target_compile_options(certctl_rapidjson INTERFACE "SHELL:-include ${PROJECT_SOURCE_DIR}/cmake/rapidjson_assert.h")
