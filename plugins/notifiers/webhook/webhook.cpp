#include <certctl/plugin.hpp>

#include <algorithm>
#include <ctime>

#include "message.hpp"
#include "plugins/common/command.hpp"
#include "plugins/common/openssl.hpp"

namespace certctl::webhook {
namespace {

constexpr std::chrono::milliseconds kTimeout{15'000};
constexpr std::chrono::milliseconds kLongestWait = std::chrono::hours(1);
constexpr std::size_t kShownAnswer = 512;
constexpr std::size_t kLeastSecret = 24;

/// How the core shall go on after an answer that is no success.
Status kind_of(int status) {
  switch (status) {
    case 401: case 403: return Status::auth;
    case 410: return Status::invalid_config;
    case 429: return Status::rate_limited;
    case 408: case 425: return Status::transient;
    default: return status >= 500 ? Status::transient : Status::permanent;
  }
}

Error refusal(const HttpAnswer& answer, const std::string& where) {
  const int status = answer.status();
  const std::string code = std::to_string(status);
  if (status / 100 == 3) {
    return Error(Status::permanent, where + " answered " + code + ": redirect refused").vendor_code(code);
  }
  std::string text = where + " answered " + code;
  if (status == 410) text += ": the receiver is gone for good";
  if (!answer.body().empty()) text += ": " + common::presentable_output(answer.body(), kShownAnswer);
  Error error = Error(kind_of(status), text).vendor_code(code).setting(status == 410 ? "/url" : "");
  const auto wait = answer.retry_after();
  if (!wait) return error;
  return std::move(error).retry_in(std::min<std::chrono::milliseconds>(*wait, kLongestWait));
}

/// A webhook-id must not hold the full stop that separates the signed parts.
std::string webhook_id(const Call& call) {
  std::string id = call.text(key::notification_id);
  std::ranges::replace(id, '.', '-');
  return id;
}

}  // namespace

/// Posts notifications to a URL. The settings are read at each call: the secret is in memory no longer than that.
class WebhookNotifier final : public Notifier {
 public:
  explicit WebhookNotifier(Call& call) {
    const std::string url = call.setting("/url");
    if (url.empty()) throw invalid_config("url is required", "/url");
    if (const std::string fault = url_fault(url); !fault.empty()) throw invalid_config(fault, "/url");
  }

  static void init() { common::library_context(); }

  static Status validate(Call& call) {
    const std::string url = call.setting("/url");
    const std::string fault = url.empty() ? "url is required" : url_fault(url);
    if (!fault.empty()) call.finding(Severity::bad, fault, "/url");
    if (url.starts_with("http://")) {
      call.finding(Severity::warning, "http:// sends notifications in clear text", "/url");
    }
    const std::string secret = call.setting("/secret");
    if (!secret.empty() && secret.size() < kLeastSecret) {
      call.finding(Severity::warning, "the secret should have 24 to 64 bytes", "/secret");
    }
    for (const auto& [name, value] : call.setting_map("/headers")) {
      if (const std::string why = header_fault(name, value); !why.empty()) {
        call.finding(Severity::bad, "header " + name + " " + why, "/headers/" + name);
      }
    }
    return call.done();
  }

  Status send(Call& call) override { return post(call, webhook_id(call), make_body(call)); }

  Status test(Call& call) override {
    const std::string id = "test-" + std::to_string(std::time(nullptr));
    const std::string now = format_time(std::int64_t(std::time(nullptr)) * 1000);
    const Status status = post(call, id,
                               R"({"type":"event","event_id":")" + id + R"(","event_type":"Test","subject":"Test",)" +
                                   R"("body":"This is a test of the webhook channel.","recipient":"","created_at":")" +
                                   now + R"(","metadata":null})");
    call.finding(Severity::good, shown_url(call.setting("/url")) + " has taken over a test message");
    return status;
  }

 private:
  Status post(Call& call, const std::string& id, const std::string& body) {
    const std::string url = call.setting("/url");
    const std::string where = "webhook " + shown_url(url);
    HttpRequest request = call.http("POST", url);
    request.timeout(kTimeout).header("User-Agent", "certctl-notifier/1.0").body("application/json", body);
    for (const auto& [name, value] : call.setting_map("/headers")) {
      if (const std::string why = header_fault(name, value); !why.empty()) {
        throw invalid_config("header " + name + " " + why, "/headers/" + name);
      }
      request.header(name, value);
    }
    if (const std::string bundle = call.setting("/ca_file"); !bundle.empty()) request.ca_bundle(bundle);
    sign(call, request, id, body);
    const HttpAnswer answer = request.exchange();
    if (answer.status() / 100 != 2) throw refusal(answer, where);
    call.put(key::provider_ref, id);
    return call.done();
  }

  static void sign(const Call& call, HttpRequest& request, const std::string& id, const std::string& body) {
    const std::string secret = call.setting("/secret");
    if (secret.empty()) return;
    const std::string timestamp = std::to_string(std::time(nullptr));
    request.header("X-Signature", x_signature(secret, body))
        .header("X-Signature-Algorithm", "sha256")
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", webhook_signature(secret, id, timestamp, body));
  }
};

}  // namespace certctl::webhook

CERTCTL_PLUGIN(certctl::webhook::WebhookNotifier)
