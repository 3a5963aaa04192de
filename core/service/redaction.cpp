#include "core/service/redaction.hpp"

#include <set>

#include "core/base/text.hpp"

namespace certctl::service {
namespace {

const std::set<std::string, std::less<>>& credential_keys() {
  static const std::set<std::string, std::less<>> keys = {
      "api_key",       "apikey",       "password",        "passphrase",       "secret",      "client_secret",
      "token",         "access_token", "refresh_token",   "bootstrap_token",  "credential",  "credentials",
      "private_key",   "privatekey",   "private_key_pem", "key_pem",          "cert_pem",    "chain_pem",
      "full_pem",      "eab_secret",   "eab_kid",         "acme_account_key", "hmac",        "hmac_key",
      "signature",     "auth",         "authorization",   "bearer"};
  return keys;
}

const std::set<std::string, std::less<>>& personal_keys() {
  static const std::set<std::string, std::less<>> keys = {
      "email", "email_address", "phone",      "phone_number", "telephone", "ssn",    "social_security", "dob",
      "date_of_birth", "name", "full_name",   "first_name",   "last_name", "surname", "address",        "street",
      "street_address", "city", "postal_code", "zip",         "zipcode",   "ip",     "ip_address"};
  return keys;
}

class Redactor {
 public:
  void write(const json::Value& value, const std::string& path) {
    if (value.IsObject()) {
      out_.begin_object();
      for (const auto& member : value.GetObject()) {
        const std::string key(json::text_of(member.name));
        const std::string at = path.empty() ? key : path + '.' + key;
        out_.key(key);
        const std::string word = lower(key);
        if (credential_keys().contains(word)) replace(at, "[REDACTED:CREDENTIAL]");
        else if (personal_keys().contains(word)) replace(at, "[REDACTED:PII]");
        else write(member.value, at);
      }
      if (path.empty() && !hits_.empty()) out_.field("redacted_keys", hits_);
      out_.end_object();
    } else if (value.IsArray()) {
      out_.begin_array();
      for (const auto& item : value.GetArray()) write(item, path);
      out_.end_array();
    } else if (value.IsString() && leaks(json::text_of(value))) {
      replace(path, "[REDACTED:CREDENTIAL]");
    } else {
      out_.value(value);
    }
  }
  std::string take() const { return out_.take(); }

 private:
  static bool leaks(std::string_view text) {
    const auto begin = text.find("-----BEGIN ");
    return (begin != std::string_view::npos && text.find("PRIVATE KEY-----", begin) != std::string_view::npos) ||
           text.find("Bearer ") != std::string_view::npos;
  }
  void replace(const std::string& path, std::string_view with) {
    out_.value(with);
    hits_.push_back(path);
  }

  json::Writer out_;
  std::vector<std::string> hits_;
};

}  // namespace

json::Raw redact_details(const json::Raw& details) {
  if (details.text.empty() || details.text == "null" || details.text == "{}") return json::Raw{"null"};
  Redactor redactor;
  redactor.write(json::parse(details.text), "");
  json::Raw out{redactor.take()};
  constexpr std::size_t kLimit = 64 * 1024;
  if (out.text.size() > kLimit) {
    json::Writer note;
    note.begin_object().field("truncated", true).field("size", std::uint64_t(out.text.size()));
    note.field("beginning", shorten(out.text, kLimit / 2)).end_object();
    out.text = note.take();
  }
  return out;
}

}  // namespace certctl::service
