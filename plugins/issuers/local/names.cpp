#include "names.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include <certctl/status.hpp>

namespace certctl::local {

namespace {

[[noreturn]] void refuse(std::string_view text, std::string_view why) {
  throw invalid_request(fmt::format("SAN \"{}\" {}", text, why));
}

bool is_ascii(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  return result;
}

bool is_label(std::string_view label) {
  if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
  return std::all_of(label.begin(), label.end(), [](char c) { return is_alnum(c) || c == '-' || c == '_'; });
}

std::string checked_dns(std::string_view text) {
  if (!text.empty() && text.back() == '.') text.remove_suffix(1);
  if (!is_ascii(text)) refuse(text, "must be given as A-label (xn--…)");
  if (!is_dns_name(text)) refuse(text, "is not a DNS name");
  return std::string(text);
}

/// An addr-spec without comments and quoted local parts (RFC 5321 §4.1.2).
std::string checked_email(std::string_view text) {
  const auto separator = text.find('@');
  const std::string_view local = text.substr(0, separator);
  if (separator == text.npos || text.find('@', separator + 1) != text.npos || local.empty() || local.size() > 64) {
    refuse(text, "is not an e-mail address");
  }
  constexpr std::string_view kMarks = "!#$%&'*+-/=?^_`{|}~.";
  const bool fine = std::all_of(local.begin(), local.end(), [&](char c) {
    return static_cast<unsigned char>(c) >= 0x80 || is_alnum(c) || kMarks.find(c) != kMarks.npos;
  });
  const bool dots = local.front() != '.' && local.back() != '.' && local.find("..") == local.npos;
  const std::string_view domain = text.substr(separator + 1);
  if (!fine || !dots || !is_dns_name(domain) || domain.front() == '*') refuse(text, "is not an e-mail address");
  return std::string(local) + "@" + std::string(domain);
}

/// SPIFFE-ID §2: trust domain and path of a restricted alphabet, nothing else.
void check_spiffe(std::string_view text) {
  std::string_view rest = text.substr(std::string_view("spiffe://").size());
  const std::string_view domain = rest.substr(0, rest.find('/'));
  const auto domain_character = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || std::strchr("._-", c);
  };
  if (text.size() > 2048 || domain.empty() || domain.size() > 255 ||
      !std::all_of(domain.begin(), domain.end(), domain_character)) {
    refuse(text, "is not a SPIFFE ID");
  }
  rest.remove_prefix(domain.size());
  while (!rest.empty()) {
    rest.remove_prefix(1);  // the slash
    const std::string_view segment = rest.substr(0, rest.find('/'));
    const bool fine =
        std::all_of(segment.begin(), segment.end(), [](char c) { return is_alnum(c) || std::strchr("._-", c); });
    if (segment.empty() || segment == "." || segment == ".." || !fine) refuse(text, "is not a SPIFFE ID");
    rest.remove_prefix(segment.size());
  }
}

std::string checked_uri(std::string_view text) {
  const auto colon = text.find(':');
  const std::string_view scheme = text.substr(0, colon);
  const bool fine =
      colon != text.npos && colon > 0 && !(scheme.front() >= '0' && scheme.front() <= '9') &&
      std::all_of(scheme.begin(), scheme.end(), [](char c) { return is_alnum(c) || std::strchr("+-.", c); });
  const bool printable = std::all_of(text.begin(), text.end(),
                                     [](char c) { return c > 0x20 && c < 0x7F && !std::strchr("<>\"{}|\\^`", c); });
  if (!fine || !printable || colon + 1 == text.size()) refuse(text, "is not a URI");
  if (lower(scheme) == "spiffe" && text.substr(colon, 3) == "://") check_spiffe(text);
  return std::string(text);
}

std::string checked_ip(std::string_view text) {
  const auto octets = address_octets(text);
  if (!octets) refuse(text, "is not an IP address");
  return address_literal(*octets);
}

/// What two spellings of one name have in common.
std::string identity(const San& san) {
  switch (san.kind) {
    case San::Kind::dns:
      return lower(san.value);
    case San::Kind::email: {
      const auto at = san.value.find('@');
      return san.value.substr(0, at) + lower(std::string_view(san.value).substr(at));
    }
    default:
      return san.value;
  }
}

}  // namespace

std::optional<std::string> address_octets(std::string_view text) {
  if (text.size() > 2 && text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
  const std::string literal(text);
  unsigned char octets[16] = {};
  if (::inet_pton(AF_INET, literal.c_str(), octets) == 1) return std::string(reinterpret_cast<char*>(octets), 4);
  if (::inet_pton(AF_INET6, literal.c_str(), octets) != 1) return std::nullopt;
  constexpr unsigned char kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  const bool mapped = std::memcmp(octets, kMapped, sizeof kMapped) == 0;
  return mapped ? std::string(reinterpret_cast<char*>(octets) + 12, 4)
                : std::string(reinterpret_cast<char*>(octets), 16);
}

std::string address_literal(std::string_view octets) {
  char literal[INET6_ADDRSTRLEN] = {};
  ::inet_ntop(octets.size() == 4 ? AF_INET : AF_INET6, octets.data(), literal, sizeof literal);
  return literal;
}

bool is_dns_name(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  if (text.starts_with("*.")) text.remove_prefix(2);
  std::string_view label;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find('.', start), text.size());
    label = text.substr(start, end - start);
    if (!is_label(label)) return false;
    start = end + 1;
  }
  return !std::all_of(label.begin(), label.end(), [](char c) { return c >= '0' && c <= '9'; });
}

void NameSet::check_limits(const San& san) const {
  if (names_.size() >= kMaxNames)
    throw invalid_request(fmt::format("a certificate can carry {} names at most", kMaxNames));
  if (san.kind != San::Kind::uri) return;
  const auto is_spiffe = [](const San& s) { return s.kind == San::Kind::uri && s.value.starts_with("spiffe://"); };
  const bool other_uri = has(San::Kind::uri);
  if (other_uri && (is_spiffe(san) || std::any_of(names_.begin(), names_.end(), is_spiffe))) {
    refuse(san.value, "cannot stand beside another URI: a SPIFFE ID is the only one of its certificate");
  }
}

void NameSet::add(San::Kind kind, std::string_view text) {
  San san{kind, {}};
  switch (kind) {
    case San::Kind::dns:
      san.value = checked_dns(text);
      break;
    case San::Kind::ip:
      san.value = checked_ip(text);
      break;
    case San::Kind::email:
      san.value = checked_email(text);
      break;
    case San::Kind::uri:
      san.value = checked_uri(text);
      break;
  }
  const auto same = [wanted = identity(san), kind](const San& known) {
    return known.kind == kind && identity(known) == wanted;
  };
  if (std::any_of(names_.begin(), names_.end(), same)) return;
  check_limits(san);
  names_.push_back(std::move(san));
}

void NameSet::lead_with(std::string_view common_name) {
  const bool address = address_octets(common_name).has_value();
  const bool host =
      !address && is_dns_name(common_name) && (common_name.find('.') != common_name.npos || common_name == "localhost");
  if (!address && !host) return;
  const std::size_t before = names_.size();
  add(address ? San::Kind::ip : San::Kind::dns, common_name);
  if (names_.size() > before) std::rotate(names_.begin(), names_.end() - 1, names_.end());
}

bool NameSet::contains(std::string_view value) const {
  return std::any_of(names_.begin(), names_.end(),
                     [wanted = lower(value)](const San& san) { return lower(san.value) == wanted; });
}

bool NameSet::has(San::Kind kind) const {
  return std::any_of(names_.begin(), names_.end(), [kind](const San& san) { return san.kind == kind; });
}

}  // namespace certctl::local
