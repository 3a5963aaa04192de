#include "test/support/postgres_gate.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <vector>

#include "core/base/error.hpp"

namespace certctl::test {
namespace {

constexpr const char* kSocketName = ".s.PGSQL.5432";

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

struct Pair {
  int client;
  int server;
  bool answer_is_lost = false;
};

void close_pair(Pair& pair) {
  ::close(pair.client);
  ::close(pair.server);
  pair.client = -1;
}

bool forward(int to, const char* bytes, ssize_t count) {
  while (count > 0) {
    const ssize_t sent = ::send(to, bytes, std::size_t(count), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes += sent;
    count -= sent;
  }
  return true;
}

}  // namespace

PostgresGate::PostgresGate(const std::filesystem::path& server_folder) : server_path_(server_folder / kSocketName) {
  std::string pattern = "/tmp/certctl-test-gate-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) throw internal("cannot make a folder below /tmp");
  folder_ = pattern;
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = address_of(folder_ / kSocketName);
  if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener_, 16) != 0)
    throw internal("the gate cannot listen");
  thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
}

PostgresGate::~PostgresGate() {
  thread_.request_stop();
  thread_.join();
  ::close(listener_);
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void PostgresGate::run(const std::stop_token& stop) {
  std::vector<Pair> pairs;
  std::array<char, 65536> buffer;
  while (!stop.stop_requested()) {
    std::vector<pollfd> ready = {{listener_, POLLIN, 0}};
    for (const Pair& pair : pairs) {
      ready.push_back({pair.client, POLLIN, 0});
      ready.push_back({pair.server, POLLIN, 0});
    }
    if (::poll(ready.data(), ready.size(), 20) <= 0) continue;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      Pair& pair = pairs[i];
      bool open = true;
      if (ready[1 + 2 * i].revents != 0) {
        const ssize_t count = ::recv(pair.client, buffer.data(), buffer.size(), 0);
        const Lose lose = count > 0 ? lose_.exchange(Lose::nothing) : Lose::nothing;
        pair.answer_is_lost = pair.answer_is_lost || lose == Lose::answer;
        open = count > 0 && lose != Lose::request && forward(pair.server, buffer.data(), count);
      }
      if (open && ready[2 + 2 * i].revents != 0) {
        const ssize_t count = ::recv(pair.server, buffer.data(), buffer.size(), 0);
        open = count > 0 && !pair.answer_is_lost && forward(pair.client, buffer.data(), count);
      }
      if (!open) close_pair(pair);
    }
    std::erase_if(pairs, [](const Pair& pair) { return pair.client < 0; });
    if (ready[0].revents != 0) {
      const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      const int server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const sockaddr_un address = address_of(server_path_);
      Pair pair{client, server};
      if (::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
        pairs.push_back(pair);
      else
        close_pair(pair);
    }
  }
  for (Pair& pair : pairs) close_pair(pair);
}

}  // namespace certctl::test
