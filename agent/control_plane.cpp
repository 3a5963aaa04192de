#include "agent/control_plane.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "agent/files.hpp"
#include "agent/messages.hpp"
#include "core/base/build_info.hpp"
#include "core/base/error.hpp"
#include "core/base/id.hpp"
#include "core/base/text.hpp"

namespace certctl::agent {
namespace {

constexpr std::uint64_t kMostBody = 10 * 1024 * 1024;
constexpr std::size_t kShownBody = 4096;
constexpr auto kTolerableSkew = std::chrono::seconds(60);

std::string required_file(const std::string& path, std::string_view what) {
  auto text = read_file(path);
  if (!text) throw invalid(fmt::format("{} {} does not exist", what, path));
  return std::move(*text);
}

std::shared_ptr<http::Client> make_client(const ServerOptions& server) {
  if (server.client_cert_path.empty() != server.client_key_path.empty()) {
    throw invalid("CERTCTL_AGENT_CLIENT_CERT and CERTCTL_AGENT_CLIENT_KEY must be set together");
  }
  http::ClientOptions options;
  options.policy = http::AddressPolicy(http::Guard::none, {}, {});
  options.ca_bundle_path = server.ca_bundle_path;
  if (!server.client_cert_path.empty()) {
    options.client_cert_pem = required_file(server.client_cert_path, "client certificate");
    options.client_key_pem = Secret(required_file(server.client_key_path, "client key"));
  }
  options.tls13_only = server.tls13_only;
  options.verify_peer = !server.insecure;
  options.proxy_url = server.proxy_url;
  options.user_agent = fmt::format("certctl-agent/{}", build_info().version);
  options.keep_alive = true;
  options.max_body = kMostBody;
  return std::make_shared<http::Client>(std::move(options));
}

/// The `message` or `error` of certctl's error envelope; empty: the body is none.
std::string envelope_message(const json::Value& body) {
  if (!body.IsObject()) return {};
  const std::string message = json::text_or(body, "message");
  return message.empty() ? json::text_or(body, "error") : message;
}

Verdict verdict_of(int status, const std::string& message, const std::string& text) {
  switch (status) {
    case 401:
      return Verdict::unauthorised;
    case 403:
      return Verdict::forbidden;
    // Final answers count only from certctl itself: a stray proxy page must not drop reports or stop a fleet.
    case 404:
      return message.empty() ? Verdict::failed : Verdict::not_found;
    case 409:
      return message.empty() ? Verdict::failed : Verdict::conflict;
    case 410:
      return message.empty() ? Verdict::failed : Verdict::retired;
    case 413:
      return Verdict::too_large;
    case 429:
    case 503:
      return Verdict::slow_down;
    default:
      break;
  }
  if (status == 400 && text.find("request body too large") != std::string::npos) return Verdict::too_large;
  return status >= 400 && status < 500 ? Verdict::refused : Verdict::failed;
}

Answer judge(const http::ClientResponse& response, Time now) {
  Answer out;
  out.status = response.status;
  out.text = printable(shorten(response.body, kShownBody));
  out.retry_after = parse_retry_after(response.headers.get("Retry-After"), now);
  bool parsed = false;
  try {
    out.body = json::parse(response.body);
    parsed = true;
  } catch (const Error&) {
    out.body.SetNull();
  }
  if (response.status >= 200 && response.status < 300) {
    if (parsed && out.body.IsObject()) {
      out.verdict = Verdict::ok;
      return out;
    }
    out.problem = "unexpected answer, is this a certctl server?";
    return out;
  }
  const std::string message = envelope_message(out.body);
  out.verdict = verdict_of(response.status, message, out.text);
  out.problem = fmt::format("status {}: {}", response.status,
                            message.empty() ? shorten(out.text, 200) : printable(shorten(message, 1024)));
  return out;
}

std::optional<int> digits(std::string_view text) {
  const auto number = parse_integer(text);
  return number && *number >= 0 ? std::optional<int>(int(*number)) : std::nullopt;
}

}  // namespace

std::string_view to_text(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok:
      return "ok";
    case Verdict::unauthorised:
      return "unauthorised";
    case Verdict::forbidden:
      return "forbidden";
    case Verdict::not_found:
      return "not_found";
    case Verdict::retired:
      return "retired";
    case Verdict::conflict:
      return "conflict";
    case Verdict::too_large:
      return "too_large";
    case Verdict::slow_down:
      return "slow_down";
    case Verdict::refused:
      return "refused";
    case Verdict::failed:
      return "failed";
  }
  return "failed";
}

ControlPlane::ControlPlane(ServerOptions options, Secret api_key, std::string api_key_file, const Clock& clock)
    : options_(std::move(options)),
      api_key_file_(std::move(api_key_file)),
      clock_(clock),
      client_(make_client(options_)) {
  use_key(std::move(api_key));
}

Answer ControlPlane::get(std::string_view path, const RequestOptions& options) {
  return send("GET", path, {}, options);
}

Answer ControlPlane::post(std::string_view path, std::string body, const RequestOptions& options) {
  return send("POST", path, std::move(body), options);
}

Answer ControlPlane::send(std::string_view method, std::string_view path, std::string body,
                          const RequestOptions& options) {
  Answer out;
  try {
    const http::ClientResponse response = client()->send(request(method, path, std::move(body), options));
    note_date(response);
    return judge(response, clock_.now());
  } catch (const http::ClientError& e) {
    out.problem = e.what();
    out.nothing_sent = !e.bytes_sent();
  } catch (const Error& e) {
    out.problem = e.what();
  }
  return out;
}

http::ClientRequest ControlPlane::request(std::string_view method, std::string_view path, std::string body,
                                          const RequestOptions& options) const {
  http::ClientRequest out;
  out.method = method;
  out.url = fmt::format("{}/api/v1{}", options_.url, path);
  out.body = std::move(body);
  const Secret key = options.bearer != nullptr ? options.bearer->clone() : this->key();
  key.use([&](std::string_view text) { out.headers.set("Authorization", fmt::format("Bearer {}", text)); });
  if (options.bootstrap_token != nullptr) {
    options.bootstrap_token->use([&](std::string_view text) { out.headers.set("X-Certctl-Bootstrap-Token", text); });
  }
  out.headers.set("Content-Type", "application/json");
  out.headers.set("X-Request-ID", new_uuid());
  http::ClientTimeouts limits;
  limits.header = options.time_limit;
  limits.total = options.time_limit;
  out.timeouts = limits;
  out.cancellation = options.cancellation;
  return out;
}

void ControlPlane::note_date(const http::ClientResponse& response) {
  const auto date = parse_http_date(response.headers.get("Date"));
  if (!date) return;
  const auto skew = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now() - *date);
  const bool large = skew > kTolerableSkew || skew < -kTolerableSkew;
  const std::scoped_lock lock(mutex_);
  skew_ = skew;
  if (large && !skew_warned_) log::write(kClockSkew, {{"clock_skew_ms", skew.count()}});
  skew_warned_ = large;
}

void ControlPlane::use_key(Secret api_key) {
  api_key.use([](std::string_view text) { log::hide(text); });
  const std::scoped_lock lock(mutex_);
  api_key_ = std::move(api_key);
}

Secret ControlPlane::key() const {
  const std::scoped_lock lock(mutex_);
  return api_key_.clone();
}

bool ControlPlane::reread_key() {
  if (api_key_file_.empty()) return false;
  try {
    std::string text = read_file(api_key_file_).value_or("");
    Secret fresh = Secret::copy_of(trim(text));
    wipe(text);
    const bool same = fresh.use([&](std::string_view now) {
      return key().use([&](std::string_view before) { return equal_constant_time(as_bytes(now), as_bytes(before)); });
    });
    if (fresh.empty() || same) return false;
    use_key(std::move(fresh));
    return true;
  } catch (const FileError&) {
    return false;  // the file may be in the middle of its replacement; the next 401 asks again
  }
}

void ControlPlane::reload() {
  auto fresh = make_client(options_);
  reread_key();
  const std::scoped_lock lock(mutex_);
  client_ = std::move(fresh);
}

bool ControlPlane::offers(std::string_view capability) const {
  const std::scoped_lock lock(mutex_);
  return capabilities_.contains(capability);
}

void ControlPlane::set_capabilities(std::set<std::string, std::less<>> capabilities) {
  const std::scoped_lock lock(mutex_);
  capabilities_ = std::move(capabilities);
}

std::optional<std::chrono::milliseconds> ControlPlane::clock_skew() const {
  const std::scoped_lock lock(mutex_);
  return skew_;
}

std::shared_ptr<http::Client> ControlPlane::client() const {
  const std::scoped_lock lock(mutex_);
  return client_;
}

std::optional<std::chrono::seconds> parse_retry_after(std::string_view value, Time now) {
  if (value.empty()) return std::nullopt;
  if (const auto number = parse_integer(trim(value))) {
    return std::chrono::seconds(std::clamp<std::int64_t>(*number, 0, 24 * 3600));
  }
  const auto date = parse_http_date(trim(value));
  if (!date) return std::nullopt;
  return std::max(std::chrono::seconds(0), std::chrono::ceil<std::chrono::seconds>(*date - now));
}

std::optional<Time> parse_http_date(std::string_view text) {
  // Sun, 06 Nov 1994 08:49:37 GMT
  if (text.size() != 29 || !text.ends_with(" GMT")) return std::nullopt;
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto month = std::find(kMonths.begin(), kMonths.end(), text.substr(8, 3));
  const auto day = digits(text.substr(5, 2)), year = digits(text.substr(12, 4));
  const auto hour = digits(text.substr(17, 2)), minute = digits(text.substr(20, 2)),
             second = digits(text.substr(23, 2));
  if (month == kMonths.end() || !day || !year || !hour || !minute || !second) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(*year),
                                         std::chrono::month(unsigned(month - kMonths.begin()) + 1),
                                         std::chrono::day(unsigned(*day)));
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  return std::chrono::sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
         std::chrono::seconds(*second);
}

}  // namespace certctl::agent
