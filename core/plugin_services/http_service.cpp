#include "core/plugin_services/http_service.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "core/base/error.hpp"
#include "core/plugin/call.hpp"
#include "core/plugin/settings.hpp"

namespace certctl::plugin {

/// What distinguishes one TLS client from another.
struct HttpService::Identity {
  std::string ca_bundle;  ///< PEM or path; empty: the system's roots
  std::string client_cert;
  std::string client_key;
  std::string proxy_url;
};

namespace {

constexpr std::size_t kMaxFile = 1 << 20;

bool is_pem(std::string_view text) { return text.find("-----BEGIN ") != text.npos; }

/// PEM as it is, else the content of the file it names.
std::string pem_or_file(const std::string& text, std::string_view what) {
  if (text.empty() || is_pem(text)) return text;
  std::ifstream file(text, std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  if (!file || content.str().size() > kMaxFile) throw invalid(fmt::format("{} {} cannot be read", what, text));
  return content.str();
}

Status status_of(http::Failure failure) {
  switch (failure) {
    case http::Failure::bad_url:
    case http::Failure::address_refused:
      return Status::invalid_config;
    case http::Failure::tls:
      return Status::invalid_config;  // roots or names that do not fit: a person must look
    case http::Failure::too_large:
      return Status::permanent;
    case http::Failure::cancelled:
      return Status::cancelled;
    default:
      return Status::transient;
  }
}

/// Ends the client's request when the call is cancelled or its deadline passes.
class CancelBridge {
 public:
  explicit CancelBridge(Cancellation& call) : call_(call) {
    handle_ = call_.listen([cancellation = cancellation_] { cancellation.cancel(); });
  }
  ~CancelBridge() { call_.forget(handle_); }
  CancelBridge(const CancelBridge&) = delete;
  CancelBridge& operator=(const CancelBridge&) = delete;
  const http::Cancellation& cancellation() const { return cancellation_; }

 private:
  Cancellation& call_;
  http::Cancellation cancellation_;
  std::uint64_t handle_ = 0;
};

http::ClientTimeouts timeouts_for(const ServiceRequest& request) {
  http::ClientTimeouts timeouts;
  timeouts.total = std::chrono::seconds(request.settings.integer_or("/timeout_seconds", 30));
  if (const auto asked = request.in.integer(CERTCTL_KEY_HTTP_TIMEOUT_MS))
    timeouts.total = std::chrono::milliseconds(*asked);
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(request.deadline - std::chrono::steady_clock::now());
  timeouts.total =
      std::clamp(timeouts.total, std::chrono::milliseconds(1), std::max(left, std::chrono::milliseconds(1)));
  timeouts.connect = std::min(timeouts.connect, timeouts.total);
  timeouts.header = timeouts.total;  // a CA may think before it answers
  return timeouts;
}

}  // namespace

http::Client HttpService::client(const Identity& identity) const {
  http::ClientOptions options;
  options.policy = options_.policy;
  options.resolver = options_.resolver;
  options.user_agent = options_.user_agent;
  options.ca_bundle_pem = pem_or_file(identity.ca_bundle, "CA bundle");
  options.client_cert_pem = pem_or_file(identity.client_cert, "client certificate");
  options.client_key_pem = Secret(pem_or_file(identity.client_key, "client key"));
  if (options_.policy.guard() != http::Guard::guarded) options.proxy_url = identity.proxy_url;
  return http::Client(std::move(options));
}

ServiceAnswer HttpService::send(const ServiceRequest& request) {
  const auto setting_or = [&](std::uint32_t key, std::string_view pointer) {
    return request.in.has(key) ? request.in.text(key) : request.settings.text(pointer);
  };
  const Identity identity{setting_or(CERTCTL_KEY_HTTP_CA_BUNDLE, "/ca_bundle"),
                          request.in.text(CERTCTL_KEY_HTTP_CLIENT_CERT), request.in.text(CERTCTL_KEY_HTTP_CLIENT_KEY),
                          request.settings.text("/proxy_url")};
  const CancelBridge bridge(request.cancellation);
  http::ClientRequest message;
  message.method = request.in.text(CERTCTL_KEY_HTTP_METHOD);
  message.url = request.in.text(CERTCTL_KEY_HTTP_URL);
  message.body = request.in.text(CERTCTL_KEY_HTTP_BODY);
  message.timeouts = timeouts_for(request);
  message.cancellation = bridge.cancellation();

  ServiceAnswer answer;
  bool sent = false;
  try {
    for (const auto& [name, value] : request.in.map(CERTCTL_KEY_HTTP_HEADER)) message.headers.add(name, value);
    const http::ClientResponse response = client(identity).send(message);
    sent = true;
    answer.out.add_int(CERTCTL_KEY_HTTP_STATUS, response.status).add(CERTCTL_KEY_HTTP_BODY, response.body);
    for (const auto& field : response.headers) answer.out.add_pair(CERTCTL_KEY_HTTP_HEADER, field.name, field.value);
  } catch (const http::ClientError& error) {
    sent = error.bytes_sent();
    answer.status = status_of(error.failure());
    answer.error = error.what();
  } catch (const Error& error) {
    // Options that do not fit, an unreadable bundle, a header that cannot be sent: nothing has left.
    answer.status = Status::invalid_config;
    answer.error = error.what();
  }
  answer.effect = sent;
  answer.out.add_int(CERTCTL_KEY_HTTP_SENT, sent);
  return answer;
}

}  // namespace certctl::plugin
