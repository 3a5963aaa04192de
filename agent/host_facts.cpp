#include "agent/host_facts.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <memory>

#include "agent/files.hpp"
#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/crypto/hash.hpp"
#include "core/http/uri.hpp"

namespace certctl::agent {
namespace {

std::string go_architecture(std::string_view machine) {
  struct Pair {
    std::string_view kernel, go;
  };
  constexpr Pair kNames[] = {{"x86_64", "amd64"}, {"aarch64", "arm64"}, {"i686", "386"},
                             {"i386", "386"},     {"armv7l", "arm"},    {"armv6l", "arm"}};
  for (const auto& [kernel, go] : kNames) {
    if (kernel == machine) return std::string(go);
  }
  return std::string(machine);  // riscv64, ppc64le, s390x: the same word in both
}

/// A connected UDP socket sends nothing; the kernel picks the source address that packets would have.
std::string source_address(const addrinfo& peer) {
  const int descriptor = ::socket(peer.ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return {};
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  std::string out;
  if (::connect(descriptor, peer.ai_addr, peer.ai_addrlen) == 0 &&
      ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&own), &size) == 0) {
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(reinterpret_cast<sockaddr*>(&own), size, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) ==
        0)
      out = text.data();
  }
  ::close(descriptor);
  return out.substr(0, out.find('%'));
}

std::string address_towards(const std::string& server_url) {
  try {
    const http::Url url = http::parse_url(server_url);
    addrinfo hints{};
    hints.ai_socktype = SOCK_DGRAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(url.host.c_str(), std::to_string(url.port).c_str(), &hints, &found) != 0) return {};
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
      if (std::string address = source_address(*at); !address.empty()) return address;
    }
  } catch (const Error&) {
    // not a URL: the start gates have said so
  }
  return {};
}

}  // namespace

HostFacts host_facts(const std::string& server_url) {
  HostFacts out;
  std::array<char, 256> name{};
  out.hostname = ::gethostname(name.data(), name.size() - 1) == 0 && name[0] != '\0' ? name.data() : "unknown";
  out.os = "linux";
  utsname system{};
  if (::uname(&system) == 0) out.architecture = go_architecture(system.machine);
  out.ip_address = address_towards(server_url);
  return out;
}

std::string machine_mark() {
  for (const char* path : {"/etc/machine-id", "/var/lib/dbus/machine-id"}) {
    try {
      const std::string id(trim(read_file(path, 4096).value_or("")));
      if (!id.empty()) return crypto::sha256_hex(id).substr(0, 8);
    } catch (const FileError&) {
      continue;
    }
  }
  return {};
}

}  // namespace certctl::agent
