#include "core/http/api_keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/base/time.hpp"
#include "core/http/digest.hpp"

namespace certctl::http {
namespace {

constexpr std::string_view kHashed = "sha256$";
constexpr std::size_t kShortKey = 16;

bool is_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

}  // namespace

Digest digest_of(std::string_view credential) { return sha256(credential); }

void ApiKeys::add_entry(std::string_view entry, const std::string& where, std::optional<Time> not_after) {
  const auto refuse = [&](std::string_view why) { return invalid(fmt::format("{} ({})", why, where)); };
  std::vector<std::string_view> fields;
  for (const auto part : split(entry, ':')) fields.push_back(trim(part));
  if (fields.size() < 2 || fields.size() > 3)
    throw refuse("invalid named key format: name:key[:admin|enroll] is expected");
  if (!is_name(fields[0])) throw refuse("invalid key name: letters, digits, _ and - are allowed");

  ApiKey key;
  key.name = fields[0];
  key.not_after = not_after;
  if (fields.size() == 3) {
    key.admin = fields[2] == "admin";
    key.enroll = fields[2] == "enroll";
    if (!key.admin && !key.enroll)
      throw refuse(fmt::format("invalid admin flag of \"{}\": only admin or enroll may follow the key", key.name));
  }
  if (fields[1].empty()) throw refuse(fmt::format("empty key for name \"{}\"", key.name));
  if (fields[1].starts_with(kHashed)) {
    const auto bytes = from_hex(fields[1].substr(kHashed.size()));
    if (!bytes || bytes->size() != key.hash.size())
      throw refuse(fmt::format("the key of \"{}\" is not sha256$ and 64 hex digits", key.name));
    std::ranges::copy(*bytes, key.hash.begin());
  } else {
    if (fields[1].size() < kShortKey) ++short_keys_;
    key.hash = sha256(fields[1]);
  }
  keys_.push_back(std::move(key));
}

void ApiKeys::check_duplicates() const {
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (keys_[i].name != keys_[j].name) continue;
      if (keys_[i].hash == keys_[j].hash)
        throw invalid(fmt::format("duplicate (name,key) entry for name \"{}\"", keys_[i].name));
      if (keys_[i].admin != keys_[j].admin || keys_[i].enroll != keys_[j].enroll) {
        throw invalid(fmt::format("duplicate key name \"{}\" with mismatched admin flag", keys_[i].name));
      }
    }
  }
}

void ApiKeys::review() {
  check_duplicates();
  std::erase_if(warnings_, [](const std::string& text) { return !text.starts_with("CERTCTL_AUTH_SECRET"); });
  notes_.clear();
  if (short_keys_ != 0)
    warnings_.push_back(fmt::format("{} API key(s) shorter than {} characters; use at least 32 random characters",
                                    short_keys_, kShortKey));
  if (keys_.size() == 1)
    warnings_.push_back(
        "only one API key is configured; add a second entry of the same name to rotate it without downtime");
  std::map<std::string, int> counts;
  for (const auto& key : keys_) ++counts[key.name];
  for (const auto& [name, count] : counts) {
    if (count > 1) notes_.push_back(fmt::format("API key \"{}\" has {} entries: rotation window", name, count));
  }
}

ApiKeys ApiKeys::parse_named(const Secret& setting) {
  ApiKeys keys;
  setting.use([&](std::string_view text) {
    int ordinal = 0;
    for (const auto part : split(text, ',')) {
      ++ordinal;
      if (const auto entry = trim(part); !entry.empty())
        keys.add_entry(entry, fmt::format("entry {}", ordinal), std::nullopt);
    }
  });
  keys.review();
  return keys;
}

ApiKeys ApiKeys::parse_file(std::string_view content) {
  constexpr std::string_view kNotAfter = ";not_after=";
  ApiKeys keys;
  int number = 0;
  for (const auto part : split(content, '\n')) {
    ++number;
    std::string_view line = trim(part);
    if (line.empty() || line.front() == '#') continue;
    const std::string where = fmt::format("line {}", number);
    std::optional<Time> not_after;
    if (const auto at = line.find(kNotAfter); at != std::string_view::npos) {
      not_after = parse_time(trim(line.substr(at + kNotAfter.size())));
      if (!not_after) throw invalid(fmt::format("not_after is not an RFC 3339 time ({})", where));
      line = trim(line.substr(0, at));
    }
    keys.add_entry(line, where, not_after);
  }
  keys.review();
  return keys;
}

ApiKeys ApiKeys::parse_legacy(const Secret& setting) {
  ApiKeys keys;
  setting.use([&](std::string_view text) {
    for (const auto part : split(text, ',')) {
      const auto value = trim(part);
      if (value.empty()) continue;
      if (value.size() < kShortKey) ++keys.short_keys_;
      keys.keys_.push_back(
          {fmt::format("legacy-key-{}", keys.keys_.size()), sha256(value), false, false, std::nullopt});
    }
  });
  if (!keys.keys_.empty())
    keys.warnings_.push_back("CERTCTL_AUTH_SECRET is deprecated; name the keys in CERTCTL_API_KEYS_NAMED");
  keys.review();
  return keys;
}

ApiKeys ApiKeys::merged(const ApiKeys& other) const {
  ApiKeys both = *this;
  both.keys_.insert(both.keys_.end(), other.keys_.begin(), other.keys_.end());
  both.warnings_.insert(both.warnings_.end(), other.warnings_.begin(), other.warnings_.end());
  both.short_keys_ += other.short_keys_;
  both.review();
  return both;
}

const ApiKey* ApiKeys::find(std::string_view key, Time now) const {
  const Digest digest = sha256(key);
  const ApiKey* match = nullptr;
  // No early exit: the time must not tell at which place of the list a hash stands.
  for (const auto& entry : keys_) {
    const bool same = equal_constant_time(digest, entry.hash);
    if (same && (!entry.not_after || now < *entry.not_after)) match = &entry;
  }
  return match;
}

}  // namespace certctl::http
