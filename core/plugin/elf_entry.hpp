#pragma once

#include <cstdint>
#include <string>

namespace certctl::plugin {

/// The part of a plugin's entry that every major version shares.
struct EntryHeader {
  std::uint32_t magic = 0;
  std::uint32_t size = 0;
  std::uint32_t abi_major = 0;
  std::uint32_t abi_minor = 0;
  std::uint32_t min_host_minor = 0;
  std::uint32_t flags = 0;
};

/// Reads the first 24 bytes of the symbol `certctl_plugin` from the file, without loading it: no code of a file that
/// will be refused ever runs. Throws Error(invalid) with file and reason.
EntryHeader read_entry_header(const std::string& file);

/// Throws Error(invalid) that names file, versions and remedy unless this host can run such a plugin.
void check_entry_header(const std::string& file, const EntryHeader& header);

}  // namespace certctl::plugin
