#pragma once

#include <rapidjson/document.h>
#include <rapidjson/pointer.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <time.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include <certctl/services.hpp>

namespace certctl {

namespace key {
inline constexpr TextKey http_method{CERTCTL_KEY_HTTP_METHOD};
inline constexpr TextKey http_url{CERTCTL_KEY_HTTP_URL};
inline constexpr MapKey http_header{CERTCTL_KEY_HTTP_HEADER};
inline constexpr BytesKey http_body{CERTCTL_KEY_HTTP_BODY};
inline constexpr IntKey http_status{CERTCTL_KEY_HTTP_STATUS};
inline constexpr IntKey http_sent{CERTCTL_KEY_HTTP_SENT};
inline constexpr IntKey http_timeout_ms{CERTCTL_KEY_HTTP_TIMEOUT_MS};
inline constexpr TextKey http_ca_bundle{CERTCTL_KEY_HTTP_CA_BUNDLE};
inline constexpr TextKey http_client_cert{CERTCTL_KEY_HTTP_CLIENT_CERT};
inline constexpr TextKey http_client_key{CERTCTL_KEY_HTTP_CLIENT_KEY};
}  // namespace key

/// The answer of a peer, whatever its status.
class HttpAnswer {
 public:
  HttpAnswer(int status, Pairs headers, std::string body)
      : status_(status), headers_(std::move(headers)), body_(std::move(body)) {}

  int status() const { return status_; }
  const std::string& body() const { return body_; }
  /// By name, any letter case; empty: absent.
  std::string header(std::string_view name) const {
    const auto same = [](char a, char b) { return ::tolower(a) == ::tolower(b); };
    for (const auto& [key, value] : headers_) {
      if (std::equal(key.begin(), key.end(), name.begin(), name.end(), same)) return value;
    }
    return {};
  }
  /// A text, number or flag of the JSON body by JSON pointer; empty: absent.
  /// Throws Error(transient) if the body is no JSON.
  std::string text(const std::string& pointer) const {
    const rapidjson::Value* value = rapidjson::Pointer(pointer.data(), pointer.size()).Get(json());
    if (!value || value->IsNull()) return {};
    if (value->IsString()) return {value->GetString(), value->GetStringLength()};
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
    value->Accept(writer);
    return {buffer.GetString(), buffer.GetSize()};
  }
  const rapidjson::Document& json() const {
    if (!parsed_) {
      parsed_.emplace();
      parsed_->Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag>(body_.data(), body_.size());
      if (parsed_->HasParseError()) throw transient("unreadable answer: the body is not JSON");
    }
    return *parsed_;
  }
  /// The answer's `Retry-After`, seconds or date (RFC 9110 §10.2.3), at most 7 days.
  std::optional<std::chrono::seconds> retry_after() const;

 private:
  int status_;
  Pairs headers_;
  std::string body_;
  mutable std::optional<rapidjson::Document> parsed_;
};

/// One request through the host's client:
/// `call.http("POST", url + "/orders").bearer(token).field("csr", csr).send()`.
class HttpRequest {
 public:
  HttpRequest(const Call& call, std::string_view method, std::string_view url)
      : service_(call.open(CERTCTL_HTTP_SEND, "http")), name_(std::string(method)) {
    service_.put(key::http_method, method).put(key::http_url, url);
  }

  HttpRequest& header(std::string_view name, std::string_view value) { service_.put(key::http_header, name, value); return *this; }
  HttpRequest& bearer(std::string_view token) { return header("Authorization", "Bearer " + std::string(token)); }
  HttpRequest& body(std::string_view type, std::string_view bytes) {
    header("Content-Type", type);
    service_.put(key::http_body, bytes);
    return *this;
  }
  HttpRequest& timeout(std::chrono::milliseconds time) { service_.put(key::http_timeout_ms, time.count()); return *this; }
  /// PEM or a path.
  HttpRequest& ca_bundle(std::string_view bundle) { service_.put(key::http_ca_bundle, bundle); return *this; }
  HttpRequest& client_certificate(std::string_view certificate, std::string_view private_key) {
    service_.put(key::http_client_cert, certificate).put(key::http_client_key, private_key);
    return *this;
  }
  /// One member of a JSON body. An empty text and an absent number are left out.
  HttpRequest& field(std::string_view name, std::string_view value) {
    if (!value.empty()) member(name).AddMember(text(name), text(value), json_.GetAllocator());
    return *this;
  }
  HttpRequest& field(std::string_view name, std::optional<std::int64_t> value) {
    if (value) member(name).AddMember(text(name), rapidjson::Value(*value), json_.GetAllocator());
    return *this;
  }
  /// What errors call this exchange: `step-ca sign`; else the method.
  HttpRequest& named(std::string name) { name_ = std::move(name); return *this; }

  /// Throws Error unless the peer answered 2xx: auth (401, 403), rate_limited (429), invalid_request (400, 413, 415, 422),
  /// transient (408, 425, 5xx, no answer), permanent (other).
  HttpAnswer send() {
    HttpAnswer answer = exchange();
    if (answer.status() / 100 != 2) throw refused(answer);
    return answer;
  }
  /// Any answer. Throws Error when there is none.
  HttpAnswer exchange() {
    if (json_.IsObject()) {
      rapidjson::StringBuffer buffer;
      rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
      json_.Accept(writer);
      body("application/json", {buffer.GetString(), buffer.GetSize()});
    }
    service_.run_or_throw();
    return {int(service_.get(key::http_status).value_or(0)), service_.all(key::http_header),
            std::string(service_.get(key::http_body))};
  }
  /// What send() would throw for this answer.
  Error refused(const HttpAnswer& answer) const;

 private:
  rapidjson::Document& member(std::string_view) {
    if (!json_.IsObject()) json_.SetObject();
    return json_;
  }
  rapidjson::Value text(std::string_view value) {
    return rapidjson::Value(value.data(), rapidjson::SizeType(value.size()), json_.GetAllocator());
  }

  ServiceCall service_;
  std::string name_;
  rapidjson::Document json_;
};

inline std::optional<std::chrono::seconds> HttpAnswer::retry_after() const {
  const std::string value = header("Retry-After");
  if (value.empty()) return std::nullopt;
  std::int64_t seconds = 0;
  if (value.find_first_not_of("0123456789") == std::string::npos) {
    seconds = value.size() > 9 ? INT32_MAX : std::stoll(value);
  } else {
    tm date{};
    if (!::strptime(value.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date)) return std::nullopt;
    seconds = ::timegm(&date) - ::time(nullptr);
  }
  if (seconds < 0) return std::nullopt;
  return std::chrono::seconds(std::min<std::int64_t>(seconds, 7 * 86400));
}

inline Error HttpRequest::refused(const HttpAnswer& answer) const {
  const int status = answer.status();
  const auto kind = [status] {
    switch (status) {
      case 401: case 403: return Status::auth;
      case 429: return Status::rate_limited;
      case 400: case 413: case 415: case 422: return Status::invalid_request;
      case 408: case 425: return Status::transient;
      default: return status >= 500 ? Status::transient : Status::permanent;
    }
  }();
  std::string text = name_ + " returned status " + std::to_string(status);
  if (!answer.body().empty()) text += ": " + answer.body().substr(0, 512);
  Error error(kind, text);
  if (const auto wait = answer.retry_after()) return std::move(error).retry_in(*wait);
  return error;
}

inline HttpRequest Call::http(std::string_view method, std::string_view url) const { return {*this, method, url}; }

}  // namespace certctl
