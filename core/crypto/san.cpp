#include "core/crypto/san.hpp"

#include <Poco/Net/DNS.h>
#include <Poco/Unicode.h>
#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

#include "core/base/error.hpp"

namespace certctl::crypto {
namespace {

constexpr std::size_t kMaxHost = 253;
constexpr std::size_t kMaxLabel = 63;
constexpr std::size_t kMaxUri = 2048;

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}
bool is_ia5_word(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

struct CodePoint {
  char32_t value;
  std::size_t offset;
  std::size_t size;
};

/// `text` must be well-formed UTF-8.
std::vector<CodePoint> code_points(std::string_view text) {
  std::vector<CodePoint> points;
  for (std::size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const std::size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    char32_t value = size == 1 ? lead : lead & (0xffu >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) value = value << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3f);
    points.push_back({value, at, size});
    at += size;
  }
  return points;
}

const char* hidden_kind(char32_t c) {
  if ((c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069)) return "bidirectional override";
  if ((c >= 0x200b && c <= 0x200d) || c == 0x2060 || c == 0xfeff) return "zero-width";
  if (c < 0x20 || (c >= 0x7f && c <= 0x9f)) return "control";
  return nullptr;
}

std::optional<std::string> hidden_character(std::string_view text) {
  if (!is_utf8(text)) return "is not valid UTF-8";
  for (const CodePoint& point : code_points(text)) {
    if (const char* kind = hidden_kind(point.value)) {
      return fmt::format("contains {} character U+{:04X} at byte offset {}", kind, std::uint32_t(point.value),
                         point.offset);
    }
  }
  return std::nullopt;
}

bool is_script_character(char32_t c) {
  Poco::Unicode::CharacterProperties properties;
  Poco::Unicode::properties(int(c), properties);
  return properties.category == Poco::Unicode::UCP_LETTER || properties.category == Poco::Unicode::UCP_MARK ||
         properties.category == Poco::Unicode::UCP_NUMBER;
}

bool has_scheme(std::string_view text) {
  if (starts_with_ignore_case(text, "urn:") || starts_with_ignore_case(text, "spiffe:")) return true;
  const auto colon = text.find("://");
  if (colon == std::string_view::npos || colon == 0) return false;
  const auto scheme = text.substr(0, colon);
  return !(scheme[0] >= '0' && scheme[0] <= '9') && std::ranges::all_of(scheme, [](char c) {
    return is_letter_or_digit(c) || c == '+' || c == '-' || c == '.';
  });
}

/// SPIFFE-ID §2: lower-case trust domain, path segments of `[A-Za-z0-9._-]`, no dot segments, no trailing slash.
bool is_spiffe_id(std::string_view uri) {
  constexpr std::string_view kPrefix = "spiffe://";
  if (!uri.starts_with(kPrefix) || uri.size() > kMaxUri) return false;
  const auto parts = split(uri.substr(kPrefix.size()), '/');
  if (parts.front().empty() || parts.front().size() > 255) return false;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto part = parts[i];
    if (part.empty() || (i > 0 && (part == "." || part == ".."))) return false;
    const bool good = std::ranges::all_of(part, [&](char c) {
      return (is_letter_or_digit(c) && (i > 0 || c < 'A' || c > 'Z')) || c == '.' || c == '-' || c == '_';
    });
    if (!good) return false;
  }
  return true;
}

Error bad_san(std::string_view text, std::string_view why) {
  return invalid("SAN \"" + printable(text) + "\" " + std::string(why));
}

San classify_uri(std::string_view text) {
  if (text.size() > kMaxUri || !is_ia5_word(text)) {
    throw bad_san(text, "is not a URI: at most 2048 printable ASCII characters, all others percent-encoded");
  }
  if (starts_with_ignore_case(text, "spiffe:") && !is_spiffe_id(text)) throw bad_san(text, "is not a SPIFFE ID");
  return {SanKind::uri, std::string(text)};
}

San classify_mail(std::string_view text) {
  const auto at = text.rfind('@');
  std::string domain;
  if (at + 1 < text.size()) domain = canonical_host(text.substr(at + 1));
  std::string address = std::string(text.substr(0, at)) + "@" + domain;
  if (!is_mail_address(address)) throw bad_san(text, "is not an e-mail address");
  return {SanKind::email, std::move(address)};
}

std::string label_fault(std::string_view host) {
  const auto labels = split(host, '.');
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto label = labels[i];
    if (label.empty()) return "hostname has empty label";
    if (label.front() == '-' || label.back() == '-') return "hostname labels cannot start or end with hyphen";
    if (label.size() > kMaxLabel) return "hostname labels cannot be longer than 63 characters";
    if (label.find('*') != std::string_view::npos && (label != "*" || i != 0 || labels.size() == 1)) {
      return "hostname wildcard must be the whole first label";
    }
  }
  return {};
}

std::string host_fault(std::string_view host) {
  for (const char c : host) {
    if (!is_letter_or_digit(c) && c != '.' && c != '-' && c != '_' && c != '*') {
      return "hostname contains invalid character: " + printable(std::string_view(&c, 1));
    }
  }
  return label_fault(host);
}

Error bad_common_name(const std::string& message) { return invalid_field("common_name", "format", message); }

}  // namespace

std::string_view to_text(SanKind kind) {
  switch (kind) {
    case SanKind::dns: return "dns";
    case SanKind::ip: return "ip";
    case SanKind::email: return "email";
    case SanKind::uri: return "uri";
    case SanKind::other: return "other";
  }
  throw internal("unknown kind of SAN");
}

std::optional<Bytes> address_octets(std::string_view text) {
  const bool bracketed = text.size() > 2 && text.front() == '[' && text.back() == ']';
  const std::string literal(bracketed ? text.substr(1, text.size() - 2) : text);
  if (literal.find('\0') != std::string::npos) return std::nullopt;
  Bytes octets(16);
  if (!bracketed && inet_pton(AF_INET, literal.c_str(), octets.data()) == 1) {
    octets.resize(4);
    return octets;
  }
  if (inet_pton(AF_INET6, literal.c_str(), octets.data()) != 1) return std::nullopt;
  in6_addr address;
  std::copy(octets.begin(), octets.end(), address.s6_addr);
  if (IN6_IS_ADDR_V4MAPPED(&address)) octets.erase(octets.begin(), octets.begin() + 12);
  return octets;
}

std::string address_text(std::span<const std::uint8_t> octets) {
  char text[INET6_ADDRSTRLEN] = "";
  if (octets.size() != 4 && octets.size() != 16) throw invalid("an address has 4 or 16 octets");
  inet_ntop(octets.size() == 4 ? AF_INET : AF_INET6, octets.data(), text, sizeof text);
  return text;
}

std::string canonical_host(std::string_view text) {
  if (is_ascii(text)) return lower(text);
  if (const auto hidden = hidden_character(text)) throw invalid("host name \"" + printable(text) + "\" " + *hidden);
  try {
    return lower(Poco::Net::DNS::encodeIDN(std::string(text)));
  } catch (const Poco::Exception&) {
    throw invalid("host name \"" + printable(text) + "\" cannot be written in ASCII (IDNA)");
  }
}

bool is_dns_name(std::string_view text) { return !text.empty() && text.size() <= kMaxHost && host_fault(text).empty(); }

bool is_mail_address(std::string_view text) {
  const auto at = text.find('@');
  if (at == std::string_view::npos || at == 0 || at > 64 || text.size() > 254 || text.rfind('@') != at) return false;
  const auto local = text.substr(0, at);
  const auto domain = text.substr(at + 1);
  if (hidden_character(text)) return false;
  constexpr std::string_view kAtomMarks = "!#$%&'*+-/=?^_`{|}~.";
  const bool good_local = std::ranges::all_of(local, [&](char c) {
    return is_letter_or_digit(c) || static_cast<unsigned char>(c) >= 0x80 ||
           kAtomMarks.find(c) != std::string_view::npos;
  });
  const bool dots = local.front() == '.' || local.back() == '.' || local.find("..") != std::string_view::npos;
  return good_local && !dots && is_dns_name(domain) && domain.find('*') == std::string_view::npos;
}

San classify_san(std::string_view text) {
  if (text.empty()) throw invalid("a SAN cannot be empty");
  if (const auto octets = address_octets(text)) return {SanKind::ip, address_text(*octets)};
  if (has_scheme(text)) return classify_uri(text);
  if (text.find('@') != std::string_view::npos) return classify_mail(text);
  std::string host = canonical_host(text);
  if (!is_dns_name(host)) {
    const std::string fault = host_fault(host);
    throw bad_san(text, fault.empty() ? "is longer than 253 characters" : "is not a host name: " + fault);
  }
  return {SanKind::dns, std::move(host)};
}

void add_san(std::vector<San>& sans, San san) {
  if (std::ranges::find(sans, san) == sans.end()) sans.push_back(std::move(san));
}

std::vector<San> classify_sans(const std::vector<std::string>& texts) {
  std::vector<San> sans;
  for (const auto& text : texts) add_san(sans, classify_san(text));
  const auto uris = std::ranges::count(sans, SanKind::uri, &San::kind);
  const auto spiffe = std::ranges::find_if(sans, [](const San& san) {
    return san.kind == SanKind::uri && starts_with_ignore_case(san.value, "spiffe:");
  });
  if (spiffe != sans.end() && uris > 1) throw bad_san(spiffe->value, "must be the only URI of its certificate");
  return sans;
}

std::vector<std::string> san_texts(const std::vector<San>& sans) {
  std::vector<std::string> texts;
  texts.reserve(sans.size());
  for (const San& san : sans) texts.push_back(san.value);
  return texts;
}

bool same_names(const std::vector<San>& a, const std::vector<San>& b) {
  const auto covers = [](const std::vector<San>& all, const std::vector<San>& some) {
    return std::ranges::all_of(some, [&](const San& san) { return std::ranges::find(all, san) != all.end(); });
  };
  return covers(a, b) && covers(b, a);
}

void check_common_name(std::string_view common_name) { canonical_common_name(common_name); }

std::string canonical_common_name(std::string_view common_name) {
  if (common_name.empty()) throw invalid_field("common_name", "required", "common_name is required");
  if (common_name.size() > kMaxHost) {
    throw invalid_field("common_name", "range", "common_name must be 253 characters or fewer");
  }
  if (common_name.find('@') != std::string_view::npos) {
    if (!is_mail_address(common_name)) {
      throw bad_common_name("invalid email format for S/MIME common name: " + printable(common_name));
    }
    return std::string(common_name);
  }
  if (address_octets(common_name)) return std::string(common_name);
  if (const auto hidden = hidden_character(common_name)) {
    throw bad_common_name("invalid hostname format: hostname " + *hidden);
  }
  std::string host(common_name);
  if (!is_ascii(host)) host = canonical_host(host);
  if (const std::string fault = host_fault(host); !fault.empty()) {
    throw bad_common_name("invalid hostname format: " + fault);
  }
  if (host.size() > kMaxHost) {
    throw invalid_field("common_name", "range", "common_name must be 253 characters or fewer");
  }
  return host;
}

std::optional<std::string> deceptive_character(std::string_view text) {
  if (auto hidden = hidden_character(text)) return hidden;
  if (is_ascii(text)) return std::nullopt;
  std::size_t start = 0;
  for (const auto label : split(text, '.')) {
    const bool ascii = std::ranges::any_of(label, is_letter_or_digit);
    for (const CodePoint& point : code_points(label)) {
      if (ascii && point.value >= 0x80 && is_script_character(point.value)) {
        return fmt::format("label \"{}\" mixes ASCII with non-ASCII script character U+{:04X} at byte offset {}", label,
                           std::uint32_t(point.value), start + point.offset);
      }
    }
    start += label.size() + 1;
  }
  return std::nullopt;
}

}  // namespace certctl::crypto
