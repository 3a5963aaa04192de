#pragma once

#include <string>
#include <string_view>

#include <certctl/call.hpp>

/// What goes over the wire (notify-discover.md A5.2).
namespace certctl::webhook {

/// RFC 3339, UTC, from milliseconds since 1970.
std::string format_time(std::int64_t ms);

/// The body in format `certctl`: an alert for expiry and health, else an event.
std::string make_body(const Call& call);

/// `sha256=<hex HMAC-SHA256>` of the header X-Signature.
std::string x_signature(std::string_view secret, std::string_view body);

/// Standard Webhooks: `v1,<base64 HMAC-SHA256(key, id "." timestamp "." body)>`; a secret `whsec_<base64>` stands for
/// the bytes it encodes.
std::string webhook_signature(std::string_view secret, std::string_view id, std::string_view timestamp,
                              std::string_view body);

/// Why a header may not be set by the settings; empty: it may.
std::string header_fault(std::string_view name, std::string_view value);

/// Why a URL cannot be posted to, in upstream's words; empty: it can. Addresses are the host's business.
std::string url_fault(std::string_view url);
/// Scheme and host of a URL: the rest may be a secret.
std::string shown_url(std::string_view url);

}  // namespace certctl::webhook
