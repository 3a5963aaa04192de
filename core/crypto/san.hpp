#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/text.hpp"

/// Names in certificates: what kind a text is, and whether it may stand there.
namespace certctl::crypto {

enum class SanKind { dns, ip, email, uri, other };
std::string_view to_text(SanKind kind);  ///< `dns`, `ip`, `email`, `uri`, `other`

/// One subject alternative name. `value` is canonical: DNS names and mail domains lower case and as A-labels,
/// addresses as inet_ntop writes them (IPv4-mapped IPv6 as IPv4).
struct San {
  SanKind kind = SanKind::dns;
  std::string value;
  friend bool operator==(const San&, const San&) = default;
};

/// Classes a text (ca-crl-ocsp.md §5.3): address literal, `scheme://…` or `urn:`, one `@`, else a DNS name.
/// Throws Error(invalid) naming the text when it has the form of none.
San classify_san(std::string_view text);
/// As classify_san(), for each; duplicates dropped, order kept.
std::vector<San> classify_sans(const std::vector<std::string>& texts);
void add_san(std::vector<San>& sans, San san);  ///< unless it is there
std::vector<std::string> san_texts(const std::vector<San>& sans);

/// Whether the two lists name the same set of names.
bool same_names(const std::vector<San>& a, const std::vector<San>& b);

/// 4 or 16 octets of an address literal (`[v6]` too); nullopt: no address.
std::optional<Bytes> address_octets(std::string_view text);
std::string address_text(std::span<const std::uint8_t> octets);

/// Lower case, U-labels to A-labels (RFC 5891). Throws Error(invalid) when a label cannot be converted.
std::string canonical_host(std::string_view text);
/// Labels of 1 to 63 `[A-Za-z0-9_-]` without outer hyphen, 253 in all, `*` only as the whole first label.
bool is_dns_name(std::string_view text);
/// An addr-spec without display name and comments.
bool is_mail_address(std::string_view text);

/// The rules of a certificate's `common_name` (rest-api.md §3.2), U-labels allowed. Throws Error(invalid) with
/// upstream's texts: `common_name must be 253 characters or fewer`, `invalid hostname format: …`,
/// `invalid email format for S/MIME common name: …`.
void check_common_name(std::string_view common_name);
/// check_common_name(), then the form in which it is stored: a host as A-labels, all else unchanged.
std::string canonical_common_name(std::string_view common_name);

/// Characters that make a name look like another one (ca-crl-ocsp.md §5.2): `contains zero-width character U+200B at
/// byte offset 3`, …; nullopt: none.
std::optional<std::string> deceptive_character(std::string_view text);

}  // namespace certctl::crypto
