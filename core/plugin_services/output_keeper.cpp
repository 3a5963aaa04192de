#include "core/plugin_services/process.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace certctl::plugin {

namespace {

constexpr std::size_t kKept = 8 * 1024;

/// Replaces each `-----BEGIN … PRIVATE KEY-----` block, up to its end or the end of the text.
std::string without_private_keys(std::string text) {
  constexpr std::string_view kBegin = "-----BEGIN ", kEnd = "-----END ", kLabel = "PRIVATE KEY-----";
  for (std::size_t begin = 0; (begin = text.find(kBegin, begin)) != text.npos;) {
    const std::size_t line = std::min(text.find('\n', begin), text.size());
    const std::size_t label = text.find(kLabel, begin);
    if (label >= line) {
      begin = line;
      continue;
    }
    std::size_t end = text.find(kEnd, line);
    end = end == text.npos ? text.size() : std::min(text.find('\n', end), text.size());
    text.replace(begin, end - begin, "[private key removed]");
  }
  return text;
}

/// The tail may begin inside of a key: what stands before its END line goes.
std::string without_cut_key(std::string tail) {
  const std::size_t end = tail.find("PRIVATE KEY-----");
  if (end == tail.npos) return tail;
  const std::size_t line = tail.rfind('\n', end);
  const std::size_t start = line == tail.npos ? 0 : line + 1;
  if (tail.compare(start, 9, "-----END ") != 0) return tail;
  const std::size_t next = std::min(tail.find('\n', end), tail.size());
  return "[private key removed]" + tail.substr(next);
}

}  // namespace

void OutputKeeper::add(std::string_view bytes) {
  const std::size_t first = std::min(bytes.size(), kKept - head_.size());
  head_ += bytes.substr(0, first);
  tail_ += bytes.substr(first);
  if (tail_.size() <= kKept) return;
  dropped_ += tail_.size() - kKept;
  tail_.erase(0, tail_.size() - kKept);
}

std::string OutputKeeper::text() const {
  if (dropped_ == 0) return without_private_keys(head_ + tail_);
  return without_private_keys(head_) + fmt::format("\n[{} bytes left out]\n", dropped_) +
         without_private_keys(without_cut_key(tail_));
}

}  // namespace certctl::plugin
