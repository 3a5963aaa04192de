// A CA that takes orders and delivers later: whatever dies in between, one order is placed for one intent.
#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/base/error.hpp"
#include "core/base/json.hpp"
#include "core/crypto/self_signed.hpp"
#include "test/integration/installation.hpp"

using namespace certctl;
using namespace certctl::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

/// An installation whose certificates come from the CA in `ca()`.
struct WithOrders : Installation {
  explicit WithOrders(bool remembers = true) : root(crypto::make_root({.common_name = "Order CA root"}, SystemClock().now())) {
    fs::create_directories(ca() / "orders");
    std::ofstream(ca() / "ca.pem") << root.certificate.pem();
    root.key.to_pem().use([&](std::string_view pem) { std::ofstream(ca() / "ca.key") << pem; });
    ::chmod((ca() / "ca.key").c_str(), 0644);
    // The CA lives in the server, which runs as another account.
    for (const fs::path& path : {ca(), ca() / "orders"}) ::chmod(path.c_str(), 0777);
    start_nginx();
    start();
    lay_ground();
    ask("POST", "/issuers", fmt::format(R"({{"id":"iss-orders","name":"Orders","type":"OrderCA","config":{{"folder":"{}","remembers":{}}}}})",
                                        ca().string(), remembers));
    start_agent();
  }

  void start(std::map<std::string, std::string> more = {}) {
    more.emplace("CERTCTL_PLUGIN_DIR", built_plugins() + ":" CERTCTL_TEST_ONLY_PLUGIN_DIR);
    start_server(std::move(more));
  }
  void restart(std::map<std::string, std::string> more = {}) {
    server().send(SIGTERM);
    REQUIRE(server().wait(60s) == 0);
    start(std::move(more));
  }
  void die_at(const std::string& moment) {
    std::ofstream(ca() / "die_at") << moment;
    ::chmod((ca() / "die_at").c_str(), 0666);
  }
  void create(const std::string& id) {
    try {
      create_certificate(id, "prof-1", "iss-orders");
    } catch (const Error&) {
      // The server may be gone before its answer is out.
    }
  }
  /// Creates it, sees the server die, starts it again.
  void create_and_die(const std::string& id) {
    create(id);
    INFO(logs());
    REQUIRE(server().wait(60s).has_value());
    start();
  }
  std::string only_job(const std::string& certificate_id) {
    const auto found = jobs(certificate_id, "Issuance");
    REQUIRE(found.size() == 1);
    return json::text_or(found.front(), "id");
  }
  bool wait_for_decision(const std::string& certificate_id) {
    return wait([&] { return json::text_or(ask("GET", "/jobs/" + only_job(certificate_id)), "phase") == "needs_decision"; });
  }
  Answer resolve(const std::string& certificate_id, const std::string& body) {
    return call("POST", "/api/v1/jobs/" + only_job(certificate_id) + "/resolve", body);
  }

  fs::path ca() const { return folder() / "order-ca"; }
  int orders() const { return int(std::distance(fs::directory_iterator(ca() / "orders"), fs::directory_iterator())); }

  /// As somebody at the CA would: the certificate for the order, PEM.
  std::string sign_order(int number) const {
    const fs::path csr = folder() / "by-hand.csr", leaf = folder() / "by-hand.pem";
    std::ifstream order(ca() / "orders" / std::to_string(number));
    std::string key;
    std::getline(order, key);
    std::ofstream(csr) << order.rdbuf();
    Process openssl("/usr/bin/openssl",
                    {"x509", "-req", "-in", csr, "-CA", ca() / "ca.pem", "-CAkey", ca() / "ca.key", "-days", "30", "-copy_extensions", "copy", "-out", leaf},
                    {}, folder() / "openssl.log");
    REQUIRE(openssl.wait() == 0);
    return {std::istreambuf_iterator<char>(std::ifstream(leaf).rdbuf()), {}};
  }

  crypto::Identity root;
};

}  // namespace

TEST_CASE("an order that the CA fills later is waited for without a request more") {
  WithOrders all;
  std::ofstream(all.ca() / "not_yet") << "";
  all.create("mc-later");
  REQUIRE(all.wait([&] { return json::text_or(all.ask("GET", "/jobs/" + all.only_job("mc-later")), "phase") == "awaiting_ca"; }));
  // Restarted meanwhile: the order is in the database, not in the process.
  all.restart();
  fs::remove(all.ca() / "not_yet");
  INFO(all.logs());
  REQUIRE(all.wait_served("mc-later", 120s));
  CHECK(all.orders() == 1);
  CHECK(all.versions("mc-later") == 1);
}

TEST_CASE("a server that dies at any step of an order places one order and records one certificate") {
  WithOrders all;
  int round = 0;
  const auto check_one_more = [&](const std::string& id) {
    INFO(all.logs());
    REQUIRE(all.wait_served(id, 120s));
    CHECK(all.versions(id) == 1);
    CHECK(all.orders() == round);
  };
  for (const std::string step : {"4c", "5b", "6"}) {
    CAPTURE(step);
    all.restart({{"CERTCTL_CRASH_AT", step}});
    const std::string id = fmt::format("mc-order-{}", ++round);
    all.create_and_die(id);
    check_one_more(id);
  }
  for (const std::string moment : {"ordered", "reference_kept", "polling", "issued"}) {
    CAPTURE(moment);
    all.die_at(moment);
    const std::string id = fmt::format("mc-order-{}", ++round);
    all.create_and_die(id);
    check_one_more(id);
  }
}

TEST_CASE("a lost answer of a CA that cannot be asked waits for a person, whose word decides") {
  WithOrders all(false);
  const auto lose_the_answer = [&](const std::string& id) {
    all.die_at("ordered");
    all.create_and_die(id);
    INFO(all.logs());
    REQUIRE(all.wait_for_decision(id));
  };

  lose_the_answer("mc-not-issued");
  CHECK(all.orders() == 1);
  CHECK(all.resolve("mc-not-issued", R"({"outcome":"perhaps"})").status == 400);
  CHECK(all.resolve("mc-not-issued", R"({"outcome":"issued"})").status == 400);
  REQUIRE(all.resolve("mc-not-issued", R"({"outcome":"not_issued","note":"the CA's list does not show it"})").status == 200);
  REQUIRE(all.wait_served("mc-not-issued", 120s));
  CHECK(all.orders() == 2);
  CHECK(all.audited("issuance_resolved", all.only_job("mc-not-issued")));
  CHECK(all.resolve("mc-not-issued", R"({"outcome":"abandon"})").status == 409);

  lose_the_answer("mc-issued");
  const auto stranger = crypto::issue_server_certificate(all.root, {.names = {"localhost"}}, SystemClock().now());
  json::Writer wrong;
  wrong.begin_object().field("outcome", "issued").field("pem_chain", stranger.certificate.pem()).end_object();
  const auto refused = all.resolve("mc-issued", wrong.take());
  CHECK(refused.status == 400);
  CHECK(refused.text.find("not issued for the key") != std::string::npos);
  json::Writer right;
  right.begin_object().field("outcome", "issued").field("pem_chain", all.sign_order(3)).end_object();
  REQUIRE(all.resolve("mc-issued", right.take()).status == 200);
  REQUIRE(all.wait_served("mc-issued", 120s));
  CHECK(all.orders() == 3);

  lose_the_answer("mc-abandoned");
  REQUIRE(all.resolve("mc-abandoned", R"({"outcome":"abandon"})").status == 200);
  CHECK(json::text_or(all.ask("GET", "/jobs/" + all.only_job("mc-abandoned")), "status") == "Failed");
  CHECK(all.audited("renewal_gave_up", "mc-abandoned"));
  CHECK(all.orders() == 4);
}
