# How a folder becomes a target.
#
# Each folder's headers are reachable only through a link of its own below the build folder, and only for
# targets that link it: `#include "core/db/pool.hpp"` compiles where certctl_db is named, and nowhere else.

set(CERTCTL_VIEW_DIR "${PROJECT_BINARY_DIR}/view" CACHE PATH "Where the per-target header links stand")

function(certctl_expose target folder)
  set(view "${CERTCTL_VIEW_DIR}/${target}")
  get_filename_component(parent "${view}/${folder}" DIRECTORY)
  file(MAKE_DIRECTORY "${parent}")
  file(CREATE_LINK "${PROJECT_SOURCE_DIR}/${folder}" "${view}/${folder}" SYMBOLIC)
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "INTERFACE_LIBRARY")
    target_include_directories(${target} INTERFACE "${view}")
  else()
    target_include_directories(${target} PUBLIC "${view}")
  endif()
endfunction()

# Worth its cost from a handful of sources on; needs fmt among the links.
function(certctl_precompile target)
  get_target_property(sources ${target} SOURCES)
  list(LENGTH sources count)
  if(count GREATER 4)
    target_precompile_headers(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${PROJECT_SOURCE_DIR}/cmake/precompiled.hpp>")
  endif()
endfunction()

# Nobody waits for a test's own code, everybody for its compilation: half of it is optimising.
function(certctl_is_test_code target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O0> $<$<CONFIG:Release>:-U_FORTIFY_SOURCE>)
endfunction()

# certctl_library(db LINKS certctl_base PostgreSQL::PostgreSQL)
# Builds every *.cpp of the current folder except *_test.cpp into certctl_<name>, and every *_test.cpp into
# <name>_test. Links are PUBLIC; PRIVATE_LINKS are not passed on.
function(certctl_library name)
  cmake_parse_arguments(arg "" "" "LINKS;PRIVATE_LINKS;TEST_LINKS" ${ARGN})
  file(RELATIVE_PATH folder "${PROJECT_SOURCE_DIR}" "${CMAKE_CURRENT_SOURCE_DIR}")
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  if(sources)
    add_library(certctl_${name} STATIC ${sources})
    target_link_libraries(certctl_${name} PUBLIC ${arg_LINKS} PRIVATE ${arg_PRIVATE_LINKS})
    certctl_precompile(certctl_${name})
  else()
    add_library(certctl_${name} INTERFACE)
    target_link_libraries(certctl_${name} INTERFACE ${arg_LINKS})
  endif()
  certctl_expose(certctl_${name} "${folder}")
  certctl_tests(${name} LINKS certctl_${name} ${arg_PRIVATE_LINKS} ${arg_TEST_LINKS})
endfunction()

# certctl_tests(db LINKS certctl_db): every *_test.cpp of the current folder becomes one program, and each
# test case one ctest entry. With WHOLE the program is one entry: for suites that share a costly fixture.
function(certctl_tests name)
  cmake_parse_arguments(arg "WHOLE" "TIMEOUT" "LINKS;LABELS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*_test.cpp")
  if(NOT sources)
    return()
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  add_executable(${name}_test ${sources})
  target_link_libraries(${name}_test PRIVATE ${arg_LINKS} certctl_catch_main)
  certctl_is_test_code(${name}_test)
  # A name that matches nothing must fail: Catch2 alone would exit 0 (-w NoTests makes it 2).
  add_test(NAME ${name} COMMAND ${name}_test -w NoTests)
  set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}")
  set_tests_properties(${name} PROPERTIES ENVIRONMENT
    "CERTCTL_TEST_BIN_DIR=${PROJECT_BINARY_DIR}/bin;CERTCTL_TEST_PLUGIN_DIR=${PROJECT_BINARY_DIR}/plugins;CERTCTL_TEST_SOURCE_DIR=${PROJECT_SOURCE_DIR}")
endfunction()
