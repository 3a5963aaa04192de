#include "core/http/sockets.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <utility>

#include "core/base/error.hpp"

namespace certctl::http {
namespace {

constexpr int kBacklog = 4096;

struct Endpoint {
  sockaddr_storage address{};
  socklen_t size = 0;
};

std::vector<Endpoint> resolve(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(host.empty() ? nullptr : host.c_str(), "0", &hints, &found);
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  if (failed != 0)
    throw invalid(fmt::format("server host \"{}\" cannot be resolved: {}", host, ::gai_strerror(failed)));
  std::vector<Endpoint> endpoints;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    Endpoint endpoint;
    std::memcpy(&endpoint.address, entry->ai_addr, entry->ai_addrlen);
    endpoint.size = entry->ai_addrlen;
    endpoints.push_back(endpoint);
  }
  return endpoints;
}

void set_port(Endpoint& endpoint, std::uint16_t port) {
  if (endpoint.address.ss_family == AF_INET6)
    reinterpret_cast<sockaddr_in6&>(endpoint.address).sin6_port = htons(port);
  else
    reinterpret_cast<sockaddr_in&>(endpoint.address).sin_port = htons(port);
}

std::string to_text(const sockaddr_storage& address) {
  const auto ip = IpAddress::from(reinterpret_cast<const sockaddr&>(address));
  const auto port = ntohs(ip.is_v4() ? reinterpret_cast<const sockaddr_in&>(address).sin_port
                                     : reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  return fmt::format(fmt::runtime(ip.is_v4() ? "{}:{}" : "[{}]:{}"), ip.to_text(), port);
}

Listener listen_at(const Endpoint& endpoint) {
  const auto fail = [&](int error) {
    const std::string where = to_text(endpoint.address);
    if (error == EADDRINUSE) return invalid(fmt::format("address {} is in use", where));
    return invalid(fmt::format("cannot listen at {}: {}", where, std::strerror(error)));
  };
  const int descriptor = ::socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) throw fail(errno);
  Listener listener(descriptor);
  const int on = 1;
  ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (endpoint.address.ss_family == AF_INET6) ::setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(descriptor, reinterpret_cast<const sockaddr*>(&endpoint.address), endpoint.size) != 0) throw fail(errno);
  if (::listen(descriptor, kBacklog) != 0) throw fail(errno);
  return listener;
}

sockaddr_storage local_address(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  return address;
}

}  // namespace

Listener::Listener(int descriptor) : descriptor_(descriptor) {
  ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
}

Listener::Listener(Listener&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

Listener::~Listener() { close(); }

void Listener::close() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

std::vector<Listener> Listener::open(const std::vector<std::string>& hosts, std::uint16_t port) {
  std::vector<Listener> listeners;
  for (const auto& host : hosts) {
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    for (auto endpoint : resolve(bracketed ? host.substr(1, host.size() - 2) : host)) {
      set_port(endpoint, port);
      listeners.push_back(listen_at(endpoint));
      if (port == 0) port = listeners.back().port();
    }
  }
  if (listeners.empty()) throw invalid("no address to listen at");
  return listeners;
}

std::uint16_t Listener::port() const {
  const auto address = local_address(descriptor_);
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

std::string Listener::address() const { return to_text(local_address(descriptor_)); }

Listener::Accepted Listener::accept() const {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  Accepted accepted;
  accepted.descriptor = ::accept4(descriptor_, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (accepted.descriptor < 0) {
    accepted.error = errno;
    return accepted;
  }
  const int on = 1;
  ::setsockopt(accepted.descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  accepted.peer = IpAddress::from(reinterpret_cast<const sockaddr&>(peer)).unmapped();
  return accepted;
}

std::size_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  rlimit raised = limit;
  raised.rlim_cur = limit.rlim_max;
  if (limit.rlim_cur != limit.rlim_max && ::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  return limit.rlim_cur == RLIM_INFINITY ? std::size_t(1) << 20 : std::size_t(limit.rlim_cur);
}

}  // namespace certctl::http
