#include "core/db/connection_target.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>

#include "core/base/error.hpp"
#include "core/base/text.hpp"

namespace certctl::db {
namespace {

using Keywords = std::vector<std::pair<std::string, std::string>>;
using Conninfo = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

[[noreturn]] void refuse(std::string_view why) {
  throw invalid(fmt::format(
      "the database URL is not usable: {}. Expected postgres://user:password@host:5432/database?sslmode=verify-full",
      why));
}

const std::set<std::string, std::less<>>& known_keywords() {
  static const std::set<std::string, std::less<>> known = [] {
    std::set<std::string, std::less<>> names;
    const Conninfo defaults(PQconndefaults(), PQconninfoFree);
    for (const PQconninfoOption* option = defaults.get(); option && option->keyword; ++option)
      names.insert(option->keyword);
    return names;
  }();
  return known;
}

std::string decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const std::optional<Bytes> byte = i + 2 < text.size() ? from_hex(text.substr(i + 1, 2)) : std::nullopt;
    if (!byte) refuse("a % is not followed by two hexadecimal digits (write a literal % as %25)");
    if (byte->front() == 0) refuse("it holds %00");
    out += char(byte->front());
    i += 2;
  }
  return out;
}

void set(Keywords& keywords, std::string_view name, std::string value) {
  const auto found = std::find_if(keywords.begin(), keywords.end(), [&](auto& entry) { return entry.first == name; });
  if (found != keywords.end())
    found->second = std::move(value);
  else
    keywords.emplace_back(name, std::move(value));
}

std::string_view get(const Keywords& keywords, std::string_view name) {
  for (const auto& [key, value] : keywords)
    if (key == name) return value;
  return {};
}

/// A parameter that libpq does not know is a setting of the session: `-c name=value`, blanks escaped.
void add_session_setting(Keywords& keywords, std::string_view name, std::string_view value) {
  const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '.';
  });
  if (!plain) refuse("a parameter's name is no word");
  std::string options(get(keywords, "options"));
  if (!options.empty()) options += ' ';
  options += fmt::format("-c {}=", name);
  for (const char c : value) {
    if (c == ' ' || c == '\\') options += '\\';
    options += c;
  }
  set(keywords, "options", std::move(options));
}

void add_parameters(Keywords& keywords, std::string_view query) {
  if (query.empty()) return;
  for (const std::string_view part : split(query, '&')) {
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos) refuse("a parameter has no value");
    const std::string name = decode(part.substr(0, equals));
    std::string value = decode(part.substr(equals + 1));
    if (name == "binary_parameters") continue;  // of upstream's driver only
    if (name == "ssl" && value == "true")
      set(keywords, "sslmode", "require");
    else if (known_keywords().contains(name))
      set(keywords, name, std::move(value));
    else
      add_session_setting(keywords, name, value);
  }
}

/// `a:5432,[::1],c`: the lists that libpq expects.
void add_hosts(Keywords& keywords, std::string_view list) {
  if (list.empty()) return;
  std::string hosts;
  std::string ports;
  bool any_port = false;
  bool first = true;
  for (const std::string_view entry : split(list, ',')) {
    std::string_view host = entry;
    std::string_view port;
    if (entry.starts_with('[')) {
      const std::size_t close = entry.find(']');
      if (close == std::string_view::npos) refuse("an IPv6 address lacks its ]");
      host = entry.substr(1, close - 1);
      const std::string_view rest = entry.substr(close + 1);
      if (!rest.empty() && rest.front() != ':') refuse("something other than a port follows an IPv6 address");
      if (!rest.empty()) port = rest.substr(1);
    } else if (const std::size_t colon = entry.find(':'); colon != std::string_view::npos) {
      host = entry.substr(0, colon);
      port = entry.substr(colon + 1);
    }
    if (!port.empty()) {
      const std::optional<std::int64_t> number = parse_integer(port);
      if (!number || *number < 1 || *number > 65535) refuse("a port is not a number from 1 to 65535");
      any_port = true;
    }
    if (!first) {
      hosts += ',';
      ports += ',';
    }
    first = false;
    hosts += decode(host);
    ports += port;
  }
  set(keywords, "host", std::move(hosts));
  if (any_port) set(keywords, "port", std::move(ports));
}

/// Cut like Go's net/url: the query at the first ?, the authority at the first /, the user at the last @ of that.
Keywords parse_uri(std::string_view rest) {
  Keywords keywords;
  const std::size_t question = rest.find('?');
  const std::string_view query = question == std::string_view::npos ? std::string_view() : rest.substr(question + 1);
  rest = rest.substr(0, question);
  const std::size_t slash = rest.find('/');
  if (slash != std::string_view::npos && slash + 1 < rest.size())
    set(keywords, "dbname", decode(rest.substr(slash + 1)));
  std::string_view place = rest.substr(0, slash);
  if (const std::size_t at = place.rfind('@'); at != std::string_view::npos) {
    const std::string_view user = place.substr(0, at);
    place = place.substr(at + 1);
    const std::size_t colon = user.find(':');
    if (colon != 0 && !user.empty()) set(keywords, "user", decode(user.substr(0, colon)));
    if (colon != std::string_view::npos) set(keywords, "password", decode(user.substr(colon + 1)));
  }
  add_hosts(keywords, place);
  add_parameters(keywords, query);
  return keywords;
}

Keywords parse_keywords(const std::string& text) {
  char* message = nullptr;
  const Conninfo parsed(PQconninfoParse(text.c_str(), &message), PQconninfoFree);
  // libpq's message may repeat a part of the password.
  if (message) PQfreemem(message);
  if (!parsed) refuse("it is neither a URL nor a list of libpq's keyword=value pairs");
  Keywords keywords;
  for (const PQconninfoOption* option = parsed.get(); option->keyword; ++option)
    if (option->val) keywords.emplace_back(option->keyword, option->val);
  return keywords;
}

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? std::string_view(value) : std::string_view();
}

bool is_socket(std::string_view host) { return host.empty() || host.front() == '/' || host.front() == '@'; }

bool is_this_machine(std::string_view host) {
  return is_socket(host) || host == "localhost" || host == "::1" || host.starts_with("127.");
}

}  // namespace

ConnectionTarget ConnectionTarget::parse(std::string_view url) {
  url = trim(url);
  if (url.empty()) refuse("it is empty");
  ConnectionTarget target;
  if (url.starts_with("postgres://"))
    target.keywords_ = parse_uri(url.substr(11));
  else if (url.starts_with("postgresql://"))
    target.keywords_ = parse_uri(url.substr(13));
  else
    target.keywords_ = parse_keywords(std::string(url));

  for (auto entry = target.keywords_.begin(); entry != target.keywords_.end();) {
    if (entry->first == "password") {
      target.password_ = Secret(std::move(entry->second));
      entry = target.keywords_.erase(entry);
    } else {
      ++entry;
    }
  }

  std::string_view hosts = get(target.keywords_, "hostaddr");
  if (hosts.empty()) hosts = get(target.keywords_, "host");
  if (hosts.empty()) hosts = environment("PGHOSTADDR");
  if (hosts.empty()) hosts = environment("PGHOST");
  for (const std::string_view host : split(hosts, ',')) {
    target.tcp_ = target.tcp_ || !is_socket(host);
    target.local_ = target.local_ && is_this_machine(host);
  }
  const std::string_view mode = get(target.keywords_, "sslmode");
  if (mode.empty() && target.tcp_ && environment("PGSSLMODE").empty()) set(target.keywords_, "sslmode", "require");
  static constexpr std::string_view kModes[] = {"",        "disable",   "allow",      "prefer",
                                                "require", "verify-ca", "verify-full"};
  if (std::find(std::begin(kModes), std::end(kModes), mode) == std::end(kModes))
    refuse("sslmode is none of disable, allow, prefer, require, verify-ca, verify-full");
  return target;
}

ConnectionTarget ConnectionTarget::clone() const {
  ConnectionTarget copy;
  copy.keywords_ = keywords_;
  copy.password_ = password_.clone();
  copy.tcp_ = tcp_;
  copy.local_ = local_;
  return copy;
}

ConnectionTarget ConnectionTarget::with_database(std::string_view name) const {
  ConnectionTarget copy = clone();
  set(copy.keywords_, "dbname", std::string(name));
  return copy;
}

std::string_view ConnectionTarget::keyword(std::string_view name) const { return get(keywords_, name); }

bool ConnectionTarget::requires_tls() const {
  std::string_view mode = keyword("sslmode");
  if (mode.empty()) mode = environment("PGSSLMODE");
  return mode == "require" || mode == "verify-ca" || mode == "verify-full";
}

bool ConnectionTarget::verifies_server() const {
  std::string_view mode = keyword("sslmode");
  if (mode.empty()) mode = environment("PGSSLMODE");
  return mode == "verify-full";
}

std::string ConnectionTarget::describe() const {
  std::string text;
  for (const std::string_view name : {"host", "port", "dbname", "user", "sslmode"}) {
    const std::string_view value = keyword(name);
    if (value.empty()) continue;
    if (!text.empty()) text += ' ';
    text += fmt::format("{}={}", name, printable(value));
  }
  return text.empty() ? "the default server" : text;
}

}  // namespace certctl::db
