#include "core/plugin_services/standard_services.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <cstdlib>
#include <map>
#include <thread>

#include <catch2/catch.hpp>

#include "core/base/error.hpp"
#include "core/crypto/hash.hpp"
#include "core/crypto/self_signed.hpp"
#include "core/plugin/call.hpp"
#include "core/plugin/settings.hpp"
#include "core/plugin_services/descriptor.hpp"

using namespace certctl;
using namespace certctl::plugin;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

class OneKey final : public KeyProvider {
 public:
  KeyDescription describe(const KeyUse& use) override {
    if (!use.ref.empty() && use.ref != "ca-1") throw not_found("there is no CA key of that name");
    return {"ca-1", ca_.key.name(), ca_.key.public_key().spki(), ca_.certificate.pem(), true};
  }
  Bytes sign(const KeyUse&, std::string_view digest_name, std::span<const std::uint8_t> digest) override {
    return ca_.key.sign_digest(digest_name, digest);
  }
  const crypto::Identity ca_ = crypto::make_root({}, SystemClock().now());
};

class MemoryState final : public StateStore {
 public:
  std::optional<StateEntry> get(std::string_view instance, std::string_view key) override {
    const auto found = entries_.find(name(instance, key));
    return found == entries_.end() ? std::nullopt : std::optional(found->second);
  }
  void put(std::string_view instance, std::string_view key,
           std::optional<std::span<const std::uint8_t>> value) override {
    if (!value) return void(entries_.erase(name(instance, key)));
    StateEntry& entry = entries_[name(instance, key)];
    entry = {{value->begin(), value->end()}, entry.version + 1};
  }
  bool compare_and_set(std::string_view instance, std::string_view key, std::int64_t version,
                       std::span<const std::uint8_t> value) override {
    const auto now = get(instance, key);
    if ((now ? now->version : 0) != version) return false;
    put(instance, key, value);
    return true;
  }

 private:
  static std::string name(std::string_view instance, std::string_view key) {
    return std::string(instance) + "/" + std::string(key);
  }
  std::map<std::string, StateEntry> entries_;
};

struct Desk {
  std::shared_ptr<OneKey> keys = std::make_shared<OneKey>();
  std::shared_ptr<Services> services = [this] {
    StandardServicesOptions options;
    options.keys = keys;
    options.state = std::make_shared<MemoryState>();
    options.address_policy = http::AddressPolicy(http::Guard::none, {}, {});
    options.exec_helper = std::string(std::getenv("CERTCTL_TEST_BIN_DIR")) + "/certctl-exec";
    return standard_services(std::move(options));
  }();
  Settings settings;
  Cancellation cancellation;

  ServiceAnswer run(std::uint32_t service, const Fields& in) {
    return services->run({service, in, settings, "issuer", "Test", "iss-1", "req-1",
                          std::chrono::steady_clock::now() + 20s, cancellation});
  }
};

/// A peer that accepts one connection, reads a request, answers with `answer` and closes.
class OnePeer {
 public:
  explicit OnePeer(std::string answer) {
    listener_ = Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(listener_.get(), 1) == 0);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, answer = std::move(answer)] {
      const Descriptor peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      char buffer[8192];
      while (request_.find("\r\n\r\n") == request_.npos) {
        const ssize_t got = ::read(peer.get(), buffer, sizeof buffer);
        if (got <= 0) return;
        request_.append(buffer, std::size_t(got));
      }
      [[maybe_unused]] const ssize_t written = ::send(peer.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
    });
  }
  ~OnePeer() {
    if (thread_.joinable()) thread_.join();
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/orders"; }
  const std::string& request() {
    thread_.join();
    return request_;
  }

 private:
  Descriptor listener_;
  int port_ = 0;
  std::string request_;
  std::thread thread_;
};

}  // namespace

TEST_CASE("only what the program has is offered") {
  CHECK(Desk().services->offers(CERTCTL_KEYS_SIGN));
  CHECK_FALSE(Desk().services->offers(4711));
  const auto bare = standard_services({});
  CHECK(bare->offers(CERTCTL_RANDOM_FILL));
  CHECK_FALSE(bare->offers(CERTCTL_KEYS_SIGN));
  CHECK_FALSE(bare->offers(CERTCTL_STATE_GET));
}

TEST_CASE("a key is described and signs digests of the right size only") {
  Desk desk;
  const ServiceAnswer described = desk.run(CERTCTL_KEYS_DESCRIBE, Fields());
  CHECK(described.out.text(CERTCTL_KEY_KEY_ALGORITHM) == "ECDSA-P256");
  CHECK(described.out.bytes(CERTCTL_KEY_KEY_SPKI) == desk.keys->ca_.key.public_key().spki());
  const auto digest = crypto::sha256("message");
  Fields request;
  request.add(CERTCTL_KEY_DIGEST_ALGORITHM, "SHA256").add_bytes(CERTCTL_KEY_DIGEST, digest);
  const ServiceAnswer signed_digest = desk.run(CERTCTL_KEYS_SIGN, request);
  CHECK(
      desk.keys->ca_.key.public_key().verify_digest("SHA256", digest, signed_digest.out.bytes(CERTCTL_KEY_SIGNATURE)));
  Fields wrong;
  wrong.add(CERTCTL_KEY_DIGEST_ALGORITHM, "SHA384").add_bytes(CERTCTL_KEY_DIGEST, digest);
  CHECK(desk.run(CERTCTL_KEYS_SIGN, wrong).error == "32 bytes are no SHA384 digest");
}

TEST_CASE("state is kept by key and changes only from the version that was seen") {
  Desk desk;
  Fields key;
  key.add(CERTCTL_KEY_STATE_KEY, "account");
  CHECK(desk.run(CERTCTL_STATE_GET, key).status == Status::not_found);
  Fields first = key;
  first.add(CERTCTL_KEY_STATE_VALUE, "one").add_int(CERTCTL_KEY_STATE_VERSION, 0);
  CHECK(desk.run(CERTCTL_STATE_COMPARE_AND_SET, first).status == Status::ok);
  CHECK(desk.run(CERTCTL_STATE_COMPARE_AND_SET, first).status == Status::conflict);
  CHECK(desk.run(CERTCTL_STATE_GET, key).out.text(CERTCTL_KEY_STATE_VALUE) == "one");
  CHECK(desk.run(CERTCTL_STATE_PUT, key).status == Status::ok);
  CHECK(desk.run(CERTCTL_STATE_GET, key).status == Status::not_found);
}

TEST_CASE("random bytes differ and are limited") {
  Desk desk;
  Fields request;
  request.add_int(CERTCTL_KEY_RANDOM_SIZE, 32);
  CHECK(desk.run(CERTCTL_RANDOM_FILL, request).out.bytes(CERTCTL_KEY_RANDOM_BYTES) !=
        desk.run(CERTCTL_RANDOM_FILL, request).out.bytes(CERTCTL_KEY_RANDOM_BYTES));
  Fields greedy;
  greedy.add_int(CERTCTL_KEY_RANDOM_SIZE, 5000);
  CHECK(desk.run(CERTCTL_RANDOM_FILL, greedy).status == Status::invalid_request);
}

TEST_CASE("a process answers with status and output and counts as an effect") {
  Desk desk;
  Fields request;
  request.add(CERTCTL_KEY_PROCESS_ARG, "sh")
      .add(CERTCTL_KEY_PROCESS_ARG, "-c")
      .add(CERTCTL_KEY_PROCESS_ARG, "echo $A; exit 4");
  request.add_pair(CERTCTL_KEY_PROCESS_ENV, "A", "b");
  const ServiceAnswer answer = desk.run(CERTCTL_PROCESS_RUN, request);
  CHECK(answer.effect);
  CHECK(answer.out.integer(CERTCTL_KEY_PROCESS_EXIT) == 4);
  CHECK(answer.out.text(CERTCTL_KEY_PROCESS_OUTPUT) == "b\n");
  Fields absent;
  absent.add(CERTCTL_KEY_PROCESS_ARG, "no-such-program");
  CHECK(desk.run(CERTCTL_PROCESS_RUN, absent).status == Status::invalid_config);
}

TEST_CASE("any answer of a peer is an answer") {
  Desk desk;
  OnePeer peer("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\nRetry-After: 7\r\nConnection: close\r\n\r\nlate");
  Fields request;
  request.add(CERTCTL_KEY_HTTP_METHOD, "POST").add(CERTCTL_KEY_HTTP_URL, peer.url()).add(CERTCTL_KEY_HTTP_BODY, "{}");
  request.add_pair(CERTCTL_KEY_HTTP_HEADER, "X-Token", "t");
  const ServiceAnswer answer = desk.run(CERTCTL_HTTP_SEND, request);
  INFO(answer.error);
  CHECK(answer.status == Status::ok);
  CHECK(answer.out.integer(CERTCTL_KEY_HTTP_STATUS) == 503);
  CHECK(answer.out.text(CERTCTL_KEY_HTTP_BODY) == "late");
  CHECK(answer.effect);
  CHECK_THAT(peer.request(), Contains("POST /orders HTTP/1.1") && Contains("X-Token: t"));
}

TEST_CASE("a request that was sent and got no answer says so") {
  Desk desk;
  OnePeer peer("");
  Fields request;
  request.add(CERTCTL_KEY_HTTP_METHOD, "POST").add(CERTCTL_KEY_HTTP_URL, peer.url());
  const ServiceAnswer answer = desk.run(CERTCTL_HTTP_SEND, request);
  CHECK(answer.status == Status::transient);
  CHECK(answer.effect);
  CHECK(answer.out.integer(CERTCTL_KEY_HTTP_SENT) == 1);
}

TEST_CASE("a request that never left says so") {
  Desk desk;
  Fields request;
  request.add(CERTCTL_KEY_HTTP_METHOD, "GET").add(CERTCTL_KEY_HTTP_URL, "http://127.0.0.1:1/");
  const ServiceAnswer refused = desk.run(CERTCTL_HTTP_SEND, request);
  CHECK(refused.status == Status::transient);
  CHECK_FALSE(refused.effect);
  CHECK(refused.out.integer(CERTCTL_KEY_HTTP_SENT) == 0);
  Fields bad;
  bad.add(CERTCTL_KEY_HTTP_METHOD, "GET").add(CERTCTL_KEY_HTTP_URL, "ftp://x/");
  CHECK(desk.run(CERTCTL_HTTP_SEND, bad).status == Status::invalid_config);
}

TEST_CASE("a cancelled call ends its request") {
  Desk desk;
  Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::listen(listener.get(), 1) == 0);
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
  Fields request;
  request.add(CERTCTL_KEY_HTTP_METHOD, "GET")
      .add(CERTCTL_KEY_HTTP_URL, "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/");
  std::thread canceller([&] {
    const Descriptor peer(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    desk.cancellation.cancel();
  });
  CHECK(desk.run(CERTCTL_HTTP_SEND, request).status == Status::cancelled);
  canceller.join();
}
