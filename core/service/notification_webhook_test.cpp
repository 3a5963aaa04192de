#include <Poco/Net/HTTPRequestHandler.h>
#include <Poco/Net/HTTPRequestHandlerFactory.h>
#include <Poco/Net/HTTPServer.h>
#include <Poco/Net/HTTPServerParams.h>
#include <Poco/Net/HTTPServerRequest.h>
#include <Poco/Net/HTTPServerResponse.h>
#include <Poco/Net/ServerSocket.h>
#include <Poco/StreamCopier.h>

#include <catch2/catch.hpp>

#include <cstdlib>

#include "core/base/text.hpp"
#include "core/crypto/hash.hpp"
#include "core/plugin/host.hpp"
#include "core/plugin_services/standard_services.hpp"
#include "core/service/notification_test_support.hpp"
#include "core/service/notifier_channels.hpp"

using namespace certctl;
using namespace certctl::service;
using namespace certctl::service::testing;

namespace {

namespace net = Poco::Net;

struct Received {
  std::string id, timestamp, signature, hmac, body;
};

/// A program of the operator's that takes webhooks; the first `failures` requests get 503.
class Receiver {
 public:
  explicit Receiver(int failures)
      : failures_(failures), socket_(net::SocketAddress("127.0.0.1", 0)), server_(new Factory(*this), socket_, new net::HTTPServerParams) {
    server_.start();
  }
  ~Receiver() { server_.stopAll(true); }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(socket_.address().port()) + "/hook?token=tk"; }
  std::vector<Received> received() const {
    std::scoped_lock lock(mutex_);
    return received_;
  }

 private:
  struct Handler : net::HTTPRequestHandler {
    explicit Handler(Receiver& receiver) : receiver_(receiver) {}
    void handleRequest(net::HTTPServerRequest& request, net::HTTPServerResponse& response) override {
      Received got{request.get("webhook-id", ""), request.get("webhook-timestamp", ""), request.get("webhook-signature", ""),
                   request.get("X-Signature", ""), {}};
      Poco::StreamCopier::copyToString(request.stream(), got.body);
      std::scoped_lock lock(receiver_.mutex_);
      receiver_.received_.push_back(std::move(got));
      response.setStatus(receiver_.failures_-- > 0 ? "503" : "200");
      response.setContentLength(0);
      response.send();
    }
    Receiver& receiver_;
  };
  struct Factory : net::HTTPRequestHandlerFactory {
    explicit Factory(Receiver& receiver) : receiver_(receiver) {}
    net::HTTPRequestHandler* createRequestHandler(const net::HTTPServerRequest&) override { return new Handler(receiver_); }
    Receiver& receiver_;
  };

  mutable std::mutex mutex_;
  std::vector<Received> received_;
  int failures_;
  net::ServerSocket socket_;
  net::HTTPServer server_;
};

std::vector<std::string> built_plugins() {
  const char* folder = std::getenv("CERTCTL_TEST_PLUGIN_DIR");
  if (folder == nullptr) throw std::runtime_error("CERTCTL_TEST_PLUGIN_DIR is not set");
  return plugin::plugin_folders(folder);
}

std::shared_ptr<plugin::Services> services_that_may_reach_loopback() {
  plugin::StandardServicesOptions options;
  options.address_policy = http::AddressPolicy(http::Guard::guarded, {*http::Cidr::parse("127.0.0.0/8")}, {});
  return plugin::standard_services(std::move(options));
}

}  // namespace

TEST_CASE("A revocation reaches a webhook that fails first and then answers, signed and under one id") {
  Office office;
  Receiver receiver(1);
  const std::string secret = "a-secret-of-twenty-four-bytes";
  plugin::Host host(built_plugins(), std::make_shared<SystemClock>());
  std::vector<EnvironmentChannel> environment;
  environment.push_back(webhook_channel(receiver.url(), Secret::copy_of(secret)));
  NotifierChannels channels(host, services_that_may_reach_loopback(), std::move(environment));
  channels.sync(*office.database);
  db::WakeUps wake_ups(*office.database);
  NotificationSender sender(*office.database, office.clock, channels.for_sender(), quick());
  sender.start(&wake_ups);

  auto notifications = office.notifications();
  office.database->transaction([&](db::Transaction& tx) { notifications.revocation(tx, office.certificate, "1f", "keyCompromise"); });
  const auto rows = store::notifications::list(*office.database, {.channel = "Webhook"}, {1, 10}).rows;
  REQUIRE(rows.size() == 1);
  const std::string id = rows[0].id;
  REQUIRE(eventually([&] { return office.status(id) == "failed"; }));
  CHECK(office.row(id).last_error.find("503") != std::string::npos);
  CHECK(office.row(id).last_error.find("token=tk") == std::string::npos);
  office.make_due();
  REQUIRE(eventually([&] { return office.status(id) == "sent"; }));
  sender.stop();

  const auto received = receiver.received();
  REQUIRE(received.size() == 2);
  CHECK(received[0].id == id);
  CHECK(received[1].id == id);
  CHECK(received[0].body == received[1].body);
  const auto& last = received[1];
  CHECK(last.hmac == "sha256=" + to_hex(crypto::hmac_sha256(as_bytes(secret), as_bytes(last.body))));
  const std::string signed_text = last.id + "." + last.timestamp + "." + last.body;
  CHECK(last.signature == "v1," + to_base64(crypto::hmac_sha256(as_bytes(secret), as_bytes(signed_text))));
  const auto body = json::parse(last.body);
  CHECK(json::text_or(body, "event_type") == "Revocation");
  CHECK(json::text_or(body, "certificate_id") == "mc-api");
  CHECK(json::text_or(body, "body").starts_with("[REVOKED]"));
  CHECK(json::text_or(*json::find(body, "metadata"), "serial") == "1f");
}

TEST_CASE("A webhook address inside the network is refused by the guard, and the message says so") {
  Office office;
  Receiver receiver(0);
  plugin::Host host(built_plugins(), std::make_shared<SystemClock>());
  std::vector<EnvironmentChannel> environment;
  environment.push_back(webhook_channel(receiver.url(), Secret()));
  NotifierChannels channels(host, plugin::standard_services({}), std::move(environment));
  channels.sync(*office.database);
  NotificationSender sender(*office.database, office.clock, channels.for_sender(), quick());
  sender.start(nullptr);
  office.insert_foreign("notif-1", "Webhook");
  REQUIRE(eventually([&] { return office.status("notif-1") != "pending"; }));
  CHECK_FALSE(office.row("notif-1").last_error.empty());
  CHECK(receiver.received().empty());
}

TEST_CASE("A channel that the environment no longer configures is disabled, and comes back with its settings") {
  Office office;
  office.add_channel("Webhook");
  CHECK(store::notification_channels::enabled(*office.database).size() == 1);
  office.add_channels({});
  CHECK(store::notification_channels::enabled(*office.database).empty());
  office.add_channel("Webhook");
  CHECK(store::notification_channels::enabled(*office.database).size() == 1);
}

TEST_CASE("A webhook URL that is no web address stops the start and names the variable") {
  CHECK_THROWS_WITH(webhook_channel("ftp://example.com", Secret()), Catch::Contains("CERTCTL_WEBHOOK_URL"));
}
