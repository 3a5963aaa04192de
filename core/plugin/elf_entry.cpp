#include "core/plugin/elf_entry.hpp"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <certctl/entry.h>

#include "core/base/error.hpp"

namespace certctl::plugin {

namespace {

constexpr std::string_view kSymbol = "certctl_plugin";
constexpr std::size_t kMaxTable = 16 << 20;  // a symbol table beyond this is no plugin's

/// Bounded reads from one open file.
class ElfFile {
 public:
  explicit ElfFile(const std::string& path) : path_(path), descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    struct stat status {};
    if (descriptor_ < 0 || ::fstat(descriptor_, &status) != 0) refuse(std::strerror(errno));
    if (!S_ISREG(status.st_mode)) refuse("not a regular file");
  }
  ~ElfFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  ElfFile(const ElfFile&) = delete;
  ElfFile& operator=(const ElfFile&) = delete;

  [[noreturn]] void refuse(std::string_view reason) const {
    throw invalid(fmt::format("plugin {}: {}", path_, reason));
  }

  template <typename T>
  T read(std::uint64_t offset) const {
    T value;
    read_into(&value, sizeof value, offset);
    return value;
  }
  template <typename T>
  std::vector<T> read_table(std::uint64_t offset, std::uint64_t bytes) const {
    if (bytes > kMaxTable) refuse("damaged: a table is larger than the file can hold");
    std::vector<T> table(bytes / sizeof(T));
    read_into(table.data(), table.size() * sizeof(T), offset);
    return table;
  }

 private:
  void read_into(void* target, std::size_t size, std::uint64_t offset) const {
    if (offset > std::uint64_t(INT64_MAX) || ::pread(descriptor_, target, size, off_t(offset)) != ssize_t(size)) {
      refuse("damaged or cut short");
    }
  }
  std::string path_;
  int descriptor_;
};

Elf64_Ehdr read_elf_header(const ElfFile& file) {
  const auto header = file.read<Elf64_Ehdr>(0);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) file.refuse("not a shared library (no ELF file)");
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_type != ET_DYN) {
    file.refuse("not a 64-bit little-endian shared library");
  }
#if defined(__x86_64__)
  constexpr auto kMachine = EM_X86_64;
#elif defined(__aarch64__)
  constexpr auto kMachine = EM_AARCH64;
#else
  constexpr auto kMachine = EM_NONE;
#endif
  if (kMachine != EM_NONE && header.e_machine != kMachine) file.refuse("built for another processor");
  if (header.e_shentsize != sizeof(Elf64_Shdr) || header.e_phentsize != sizeof(Elf64_Phdr)) file.refuse("damaged");
  return header;
}

/// The address of the exported symbol, 0 if there is none.
std::uint64_t find_symbol(const ElfFile& file, const Elf64_Ehdr& header) {
  const auto sections = file.read_table<Elf64_Shdr>(header.e_shoff, std::uint64_t(header.e_shnum) * sizeof(Elf64_Shdr));
  for (const Elf64_Shdr& section : sections) {
    if (section.sh_type != SHT_DYNSYM || section.sh_link >= sections.size()) continue;
    const auto& strings = sections[section.sh_link];
    const auto names = file.read_table<char>(strings.sh_offset, strings.sh_size);
    for (const Elf64_Sym& symbol : file.read_table<Elf64_Sym>(section.sh_offset, section.sh_size)) {
      if (symbol.st_shndx == SHN_UNDEF || symbol.st_name >= names.size()) continue;
      const char* name = names.data() + symbol.st_name;
      if (std::string_view(name, ::strnlen(name, names.size() - symbol.st_name)) == kSymbol) return symbol.st_value;
    }
  }
  return 0;
}

}  // namespace

EntryHeader read_entry_header(const std::string& path) {
  const ElfFile file(path);
  const Elf64_Ehdr header = read_elf_header(file);
  const std::uint64_t address = find_symbol(file, header);
  if (address == 0) file.refuse("no certctl plugin: it does not export \"certctl_plugin\"");
  const auto segments = file.read_table<Elf64_Phdr>(header.e_phoff, std::uint64_t(header.e_phnum) * sizeof(Elf64_Phdr));
  for (const Elf64_Phdr& segment : segments) {
    if (segment.p_type != PT_LOAD || address < segment.p_vaddr) continue;
    const std::uint64_t offset = address - segment.p_vaddr;
    if (offset + sizeof(EntryHeader) > segment.p_filesz) continue;
    return file.read<EntryHeader>(segment.p_offset + offset);
  }
  file.refuse("damaged: its entry lies outside of the file");
}

void check_entry_header(const std::string& file, const EntryHeader& header) {
  const auto refuse = [&file](const std::string& reason) { throw invalid(fmt::format("plugin {}: {}", file, reason)); };
  if (header.magic != CERTCTL_MAGIC) {
    refuse(fmt::format("wrong magic {:#010x} (a certctl plugin has {:#010x}); rebuild it with certctl's headers",
                       header.magic, CERTCTL_MAGIC));
  }
  if (header.abi_major != CERTCTL_ABI_MAJOR) {
    refuse(fmt::format("built for plugin ABI {}.{}, this host speaks {}.{}; install a build for ABI {}",
                       header.abi_major, header.abi_minor, CERTCTL_ABI_MAJOR, CERTCTL_ABI_MINOR, CERTCTL_ABI_MAJOR));
  }
  if (header.min_host_minor > CERTCTL_ABI_MINOR) {
    refuse(fmt::format("needs a host of plugin ABI {}.{} or later, this one speaks {}.{}; upgrade certctl",
                       header.abi_major, header.min_host_minor, CERTCTL_ABI_MAJOR, CERTCTL_ABI_MINOR));
  }
  if (header.flags != 0) {
    refuse(fmt::format("asks for flags {:#x} that this host does not know (ABI {}.{}); upgrade certctl", header.flags,
                       CERTCTL_ABI_MAJOR, CERTCTL_ABI_MINOR));
  }
  if (header.size < sizeof(certctl_entry)) {
    refuse(fmt::format("its entry has {} bytes, {} are needed; rebuild it with certctl's headers", header.size,
                       sizeof(certctl_entry)));
  }
}

}  // namespace certctl::plugin
