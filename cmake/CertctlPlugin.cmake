# How a folder becomes a plugin: one shared object that exports `certctl_plugin` and nothing else.
#
#   certctl_add_plugin(nginx KIND target MANIFEST manifest.json [SOURCES a.cpp b.cpp] [LINKS certctl_plugin_common]
#                      [TEST_LINKS certctl_plugin_services] [TEST_ONLY])
#
# Without SOURCES every *.cpp of the folder that is no *_test.cpp. The result is <build>/plugins/<kind>s/<name>.so,
# target certctl_<kind>_<name>. The folder's *_test.cpp become <kind>_<name>_test, which loads it through the host.
# TEST_ONLY: a plugin that only tests load; it lands in <build>/test_plugins/<kind>s and is not installed.
function(certctl_add_plugin name)
  cmake_parse_arguments(arg "TEST_ONLY" "KIND;MANIFEST" "SOURCES;LINKS;TEST_LINKS" ${ARGN})
  if(NOT arg_KIND OR NOT arg_MANIFEST)
    message(FATAL_ERROR "certctl_add_plugin(${name}): KIND and MANIFEST are needed")
  endif()
  if(NOT arg_SOURCES)
    file(GLOB arg_SOURCES CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
    list(FILTER arg_SOURCES EXCLUDE REGEX "_test\\.cpp$")
  endif()
  set(target certctl_${arg_KIND}_${name})

  add_library(${target} MODULE ${arg_SOURCES})
  certctl_plugin_manifest(${target} "${arg_MANIFEST}")
  certctl_plugin_hardening(${target})
  target_link_libraries(${target} PRIVATE certctl_plugin_sdk ${arg_LINKS})
  set_target_properties(${target} PROPERTIES PREFIX "" SUFFIX ".so" OUTPUT_NAME ${name}
    LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/plugins/${arg_KIND}s")
  if(arg_TEST_ONLY)
    set_target_properties(${target} PROPERTIES LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/test_plugins/${arg_KIND}s")
    return()
  endif()
  install(TARGETS ${target} LIBRARY DESTINATION lib/certctl/plugins/${arg_KIND}s)

  certctl_tests(${arg_KIND}_${name} LINKS certctl_plugin ${arg_TEST_LINKS})
  if(TARGET ${arg_KIND}_${name}_test)
    add_dependencies(${arg_KIND}_${name}_test ${target})
  endif()
endfunction()

# The manifest as a byte array, and what the descriptor repeats of it as macros.
function(certctl_plugin_manifest target manifest)
  get_filename_component(manifest "${manifest}" ABSOLUTE)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${manifest}")
  file(READ "${manifest}" text)
  foreach(member kind type version)
    string(TOUPPER ${member} macro)
    string(JSON value GET "${text}" ${member})
    string(APPEND macros "#define CERTCTL_MANIFEST_${macro} \"${value}\"\n")
  endforeach()
  file(READ "${manifest}" hex HEX)
  string(LENGTH "${hex}" digits)
  math(EXPR size "${digits} / 2")
  string(REGEX REPLACE "(..)" "0x\\1," array "${hex}")

  set(folder "${CMAKE_CURRENT_BINARY_DIR}/${target}_manifest")
  set(guard "CERTCTL_MANIFEST_H")
  file(CONFIGURE OUTPUT "${folder}/certctl_manifest.h" CONTENT
"#ifndef ${guard}\n#define ${guard}\n${macros}#define CERTCTL_MANIFEST_SIZE ${size}u
#ifdef __cplusplus\nextern \"C\" {\n#endif\nextern const unsigned char certctl_manifest[CERTCTL_MANIFEST_SIZE];
#ifdef __cplusplus\n}\n#endif\n#endif\n" @ONLY)
  file(CONFIGURE OUTPUT "${folder}/certctl_manifest.c" CONTENT
"#include \"certctl_manifest.h\"\nconst unsigned char certctl_manifest[CERTCTL_MANIFEST_SIZE] = {${array}};\n" @ONLY)
  target_sources(${target} PRIVATE "${folder}/certctl_manifest.c")
  target_include_directories(${target} PRIVATE "${folder}")
endfunction()

# One exported symbol, everything bound at load, nothing that pins the library in memory.
function(certctl_plugin_hardening target)
  set_target_properties(${target} PROPERTIES C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-gnu-unique>)
  endif()
  set(script "${PROJECT_SOURCE_DIR}/cmake/plugin.map")
  target_link_options(${target} PRIVATE "-Wl,--version-script=${script}" -Wl,-z,defs -Wl,-z,now)
  set_target_properties(${target} PROPERTIES LINK_DEPENDS "${script}")
endfunction()
