# What certctl is built for; anything else is refused with a sentence instead of a page of errors.
if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
  message(FATAL_ERROR "certctl's server and agent run on Linux only (Windows targets are reached through WinRM from a Linux agent).")
endif()
if(NOT CMAKE_SIZEOF_VOID_P EQUAL 8)
  message(FATAL_ERROR "certctl needs a 64-bit system: the plugin ABI is laid out for 64-bit pointers.")
endif()
