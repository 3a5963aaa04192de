#include "agent/service_manager.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "core/base/text.hpp"

namespace certctl::agent {

ServiceManager::ServiceManager() {
  if (const char* path = std::getenv("NOTIFY_SOCKET"); path != nullptr && (path[0] == '/' || path[0] == '@'))
    socket_ = path;
  const char* period = std::getenv("WATCHDOG_USEC");
  if (period == nullptr || socket_.empty()) return;
  if (const auto microseconds = parse_integer(period); microseconds && *microseconds > 0) {
    watchdog_period_ = std::chrono::milliseconds(*microseconds / 2000);  // twice in the time that is allowed
  }
}

void ServiceManager::notify(std::string_view text) const {
  sockaddr_un address{};
  if (socket_.empty() || socket_.size() >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return;
  const auto size = socklen_t(offsetof(sockaddr_un, sun_path) + socket_.size());
  ::sendto(descriptor, text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), size);
  ::close(descriptor);
}

}  // namespace certctl::agent
