#include <catch2/catch.hpp>

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "core/base/clock.hpp"
#include "core/base/json.hpp"
#include "core/crypto/self_signed.hpp"
#include "core/plugin/host.hpp"
#include "core/plugin_services/standard_services.hpp"

using namespace certctl;
using namespace std::chrono_literals;
using plugin::Outcome;
using plugin::Severity;
using plugin::Status;

extern char** environ;

namespace {

/// testdata/receiver.py on a free port, over HTTP or HTTPS.
class Receiver {
 public:
  explicit Receiver(const std::string& tls_arguments = "") {
    std::string name = (std::filesystem::temp_directory_path() / "certctl-webhook-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    folder_ = name;
    const std::string source = std::getenv("CERTCTL_TEST_SOURCE_DIR") ? std::getenv("CERTCTL_TEST_SOURCE_DIR") : ".";
    const std::string command =
        fmt::format("exec python3 {}/plugins/notifiers/webhook/testdata/receiver.py {} {} 2>/dev/null", source,
                    folder_.string(), tls_arguments);
    const char* arguments[] = {"/bin/sh", "-c", command.c_str(), nullptr};
    if (::posix_spawn(&pid_, "/bin/sh", nullptr, nullptr, const_cast<char**>(arguments), environ) != 0) {
      throw std::runtime_error("posix_spawn");
    }
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (!std::filesystem::exists(folder_ / "port")) {
      if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("the receiver does not start");
      ::poll(nullptr, 0, 20);
    }
    std::ifstream(folder_ / "port") >> port_;
  }
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;
  ~Receiver() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  int port() const { return port_; }
  std::string url(const std::string& path) const { return fmt::format("http://127.0.0.1:{}/{}", port_, path); }
  /// What came in, one JSON text each.
  std::vector<std::string> requests() const {
    std::vector<std::string> lines;
    std::ifstream in(folder_ / "requests");
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }

 private:
  std::filesystem::path folder_;
  pid_t pid_ = 0;
  int port_ = 0;
};

plugin::Fields notification(const std::string& event) {
  plugin::Fields in;
  in.add(CERTCTL_KEY_EVENT, event)
      .add(CERTCTL_KEY_SEVERITY, "warning")
      .add(CERTCTL_KEY_SUBJECT, "www.example.com \"expires\"");
  in.add(CERTCTL_KEY_BODY, "14 days\nleft").add(CERTCTL_KEY_RECIPIENT, "ann@example.com");
  in.add(CERTCTL_KEY_NOTIFICATION_ID, "notif-1")
      .add_int(CERTCTL_KEY_ATTEMPT, 1)
      .add_int(CERTCTL_KEY_CREATED_AT, 1'790'000'000'250);
  in.add(CERTCTL_KEY_CERTIFICATE_ID, "mc-www").add_pair(CERTCTL_KEY_FIELD, "days_left", "14");
  in.add(CERTCTL_KEY_INCIDENT_KEY, "expiry/mc-www")
      .add_pair(CERTCTL_KEY_LINK, "Certificate", "https://c.example/mc-www");
  return in;
}

class Channel {
 public:
  explicit Channel(http::Guard guard = http::Guard::none)
      : host_({std::getenv("CERTCTL_TEST_PLUGIN_DIR") ? std::getenv("CERTCTL_TEST_PLUGIN_DIR") : "plugins"},
              std::make_shared<SystemClock>()) {
    plugin::StandardServicesOptions options;
    options.address_policy = http::AddressPolicy(guard, {}, {});
    services_ = plugin::standard_services(std::move(options));
  }

  Outcome call(const std::string& operation, const std::string& settings, plugin::Fields in = {},
               std::chrono::milliseconds timeout = 10s) {
    plugin::Call call;
    call.in = std::move(in);
    call.timeout = timeout;
    return host_.get("notifier", "Webhook")
        .create({"channel", json::raw(settings), services_, {}})
        ->call(operation, std::move(call));
  }
  Outcome send(const std::string& url, const std::string& more = "", std::chrono::milliseconds timeout = 10s) {
    return call("send", fmt::format(R"({{"url":"{}"{}}})", url, more), notification("RenewalFailure"), timeout);
  }
  std::vector<plugin::Finding> validate(const std::string& settings) const {
    return host_.get("notifier", "Webhook").validate(json::raw(settings));
  }

 private:
  plugin::Host host_;
  std::shared_ptr<plugin::Services> services_;
};

constexpr auto kSecret = R"(,"secret":"a-shared-secret-of-many-bytes")";

}  // namespace

TEST_CASE("an event arrives with upstream's body and with signatures that another program verifies") {
  const Receiver receiver;
  Channel channel;
  const Outcome outcome = channel.send(receiver.url("ok"), std::string(kSecret) + R"(,"headers":{"X-Team":"pki"})");
  CAPTURE(outcome.text);
  REQUIRE(outcome.done());
  CHECK(outcome.out.text(CERTCTL_KEY_PROVIDER_REF) == "notif-1");
  REQUIRE(receiver.requests().size() == 1);
  const auto request = json::parse(receiver.requests().front());
  CHECK(json::flag_or(request, "x_signature_good", false));
  CHECK(json::flag_or(request, "standard_good", false));
  const auto& headers = *json::find(request, "headers");
  CHECK(json::text_or(headers, "content-type") == "application/json");
  CHECK(json::text_or(headers, "user-agent") == "certctl-notifier/1.0");
  CHECK(json::text_or(headers, "x-signature-algorithm") == "sha256");
  CHECK(json::text_or(headers, "webhook-id") == "notif-1");
  CHECK(json::text_or(headers, "x-team") == "pki");
  CHECK(
      json::text_or(request, "body") ==
      R"({"type":"event","event_id":"notif-1","event_type":"RenewalFailure","subject":"www.example.com \"expires\"",)"
      R"("body":"14 days\nleft","recipient":"ann@example.com","created_at":"2026-09-21T14:13:20.250Z",)"
      R"("certificate_id":"mc-www","metadata":{"days_left":"14","incident_key":"expiry/mc-www","link":"https://c.example/mc-www"}})");
}

TEST_CASE("expiry is an alert, and without a secret nothing is signed") {
  const Receiver receiver;
  Channel channel;
  REQUIRE(channel.call("send", fmt::format(R"({{"url":"{}"}})", receiver.url("ok")), notification("ExpirationWarning"))
              .done());
  const auto request = json::parse(receiver.requests().front());
  const auto body = json::parse(json::text_or(request, "body"));
  CHECK(json::text_or(body, "type") == "alert");
  CHECK(json::text_or(body, "alert_id") == "notif-1");
  CHECK(json::text_or(body, "severity") == "warning");
  CHECK(json::text_or(body, "message") == "14 days\nleft");
  const auto& headers = *json::find(request, "headers");
  for (const auto name : {"x-signature", "webhook-id", "webhook-signature"})
    CHECK(json::find(headers, name) == nullptr);
}

TEST_CASE("answers become kinds that the core can act on") {
  const Receiver receiver;
  Channel channel;
  struct Expected {
    const char* path;
    Status status;
  };
  for (const auto& [path, status] :
       {Expected{"408", Status::transient}, Expected{"425", Status::transient}, Expected{"500", Status::transient},
        Expected{"401", Status::auth}, Expected{"403", Status::auth}, Expected{"404", Status::permanent},
        Expected{"400", Status::permanent}, Expected{"410", Status::invalid_config},
        Expected{"redirect", Status::permanent}}) {
    CAPTURE(path);
    const Outcome outcome = channel.send(receiver.url(path));
    CHECK(outcome.status == status);
    CHECK(outcome.text.size() < 700);
    CHECK(outcome.text.starts_with(fmt::format("webhook http://127.0.0.1:{} answered ", receiver.port())));
  }
  CHECK_THAT(channel.send(receiver.url("redirect")).text, Catch::EndsWith("redirect refused"));
  CHECK(channel.send(receiver.url("410")).out.text(CERTCTL_KEY_VENDOR_CODE) == "410");
}

TEST_CASE("the receiver's wish for a pause is passed on, an hour at most") {
  const Receiver receiver;
  Channel channel;
  const Outcome limited = channel.send(receiver.url("limit"));
  CHECK(limited.status == Status::rate_limited);
  CHECK(limited.retry_in() == 7s);
  const auto until = channel.send(receiver.url("limit-date")).retry_in();
  REQUIRE(until);
  CHECK((*until > 100s && *until <= 120s));
  CHECK(channel.send(receiver.url("limit-long")).retry_in() == 1h);
  const Outcome busy = channel.send(receiver.url("busy"));
  CHECK(busy.status == Status::transient);
  CHECK(busy.retry_in() == 3s);
  CHECK_THAT(busy.text, Catch::Contains("busy\\x1b[31m"));
}

TEST_CASE("silence, cut connections and half answers are tried again") {
  const Receiver receiver;
  Channel channel;
  CHECK(channel.send(receiver.url("late")).done());
  for (const auto path : {"truncated", "cut"}) {
    CAPTURE(path);
    CHECK(channel.send(receiver.url(path)).status == Status::transient);
  }
  const Outcome hanging = channel.send(receiver.url("hang"), "", 700ms);
  CAPTURE(hanging.text);
  CHECK((hanging.status == Status::transient || hanging.status == Status::cancelled));
  CHECK(channel.send("http://127.0.0.1:1/").status == Status::transient);
}

TEST_CASE("a receiver over TLS is verified against the given roots") {
  const auto now = SystemClock().now();
  const crypto::Identity root = crypto::make_root({}, now);
  const crypto::Identity server = crypto::issue_server_certificate(root, {.names = {"127.0.0.1"}}, now);
  const crypto::Identity stranger = crypto::make_root({.common_name = "Stranger"}, now);
  std::string folder = (std::filesystem::temp_directory_path() / "certctl-webhook-tls-XXXXXX").string();
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  std::ofstream(folder + "/cert.pem") << server.full_pem();
  server.key.to_pem().use([&](std::string_view text) { std::ofstream(folder + "/key.pem") << text; });
  std::ofstream(folder + "/root.pem") << root.certificate.pem();
  std::ofstream(folder + "/stranger.pem") << stranger.certificate.pem();
  {
    const Receiver receiver(folder + "/cert.pem " + folder + "/key.pem");
    Channel channel;
    const std::string url = fmt::format("https://127.0.0.1:{}/ok", receiver.port());
    const auto trusting = [&](const std::string& name) { return fmt::format(R"(,"ca_file":"{}/{}")", folder, name); };
    CHECK(channel.send(url, trusting("root.pem")).done());
    CHECK(channel.send(url, trusting("stranger.pem")).status == Status::invalid_config);
    CHECK(channel.send(url).status == Status::invalid_config);
    CHECK(receiver.requests().size() == 1);
  }
  std::filesystem::remove_all(folder);
}

TEST_CASE("the guard keeps users' URLs away from this machine, and errors keep the URL's secrets") {
  const Receiver receiver;
  Channel guarded(http::Guard::guarded);
  const Outcome outcome = guarded.send(receiver.url("ok?token=topsecret"));
  CHECK(outcome.status == Status::invalid_config);
  CHECK(outcome.text.find("topsecret") == std::string::npos);
  CHECK(receiver.requests().empty());
  Channel open;
  CHECK(open.send(receiver.url("404?token=topsecret")).text.find("topsecret") == std::string::npos);
}

TEST_CASE("a test message says that it is one") {
  const Receiver receiver;
  Channel channel;
  const Outcome outcome = channel.call("test", fmt::format(R"({{"url":"{}"{}}})", receiver.url("ok"), kSecret));
  REQUIRE(outcome.done());
  const auto request = json::parse(receiver.requests().front());
  CHECK(json::flag_or(request, "x_signature_good", false));
  CHECK(json::text_or(json::parse(json::text_or(request, "body")), "event_type") == "Test");
  CHECK(channel.call("test", fmt::format(R"({{"url":"{}"}})", receiver.url("500"))).status == Status::transient);
}

TEST_CASE("settings that cannot work are refused in upstream's words") {
  const Channel channel;
  const auto has = [&](const std::string& settings, Severity severity, const std::string& text) {
    return std::ranges::any_of(channel.validate(settings), [&](const plugin::Finding& finding) {
      return finding.severity == severity && finding.text == text;
    });
  };
  CHECK(has("{}", Severity::bad, "url is required"));
  CHECK(has(R"({"url":"ftp://x"})", Severity::bad,
            "url scheme \"ftp\" is not allowed; only http and https are permitted"));
  CHECK(has(R"({"url":"https:///x"})", Severity::bad, "url must include a host"));
  CHECK(has(R"({"url":"http://x.example"})", Severity::warning, "http:// sends notifications in clear text"));
  CHECK(has(R"({"url":"https://x.example","secret":"short"})", Severity::warning,
            "the secret should have 24 to 64 bytes"));
  for (const std::string name : {"Host", "content-type", "X-Signature-Extra", "webhook-id", "ce-id"}) {
    CHECK(has(fmt::format(R"({{"url":"https://x.example","headers":{{"{}":"x"}}}})", name), Severity::bad,
              "header " + name + " is set by certctl"));
  }
  CHECK(has(R"({"url":"https://x.example","headers":{"X-A":"a\r\nB: c"}})", Severity::bad,
            "header X-A contains disallowed control character (CR, LF, or NUL)"));
  CHECK(channel.validate(R"({"url":"https://x.example"})").empty());
}
