#include "core/service/patterns.hpp"

#include <re2/re2.h>

#include <fmt/format.h>

#include "core/base/text.hpp"

namespace certctl::service {
namespace {

constexpr std::int64_t kMaxMemory = 1 << 20;

RE2::Options quiet() {
  RE2::Options options(RE2::Quiet);
  options.set_max_mem(kMaxMemory);
  return options;
}

re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

std::string pattern_fault(std::string_view pattern) {
  if (pattern.empty()) return "it is empty";
  if (pattern.size() > kMaxPattern) return fmt::format("it is longer than {} bytes", kMaxPattern);
  const RE2 compiled(piece(pattern), quiet());
  return compiled.ok() ? std::string() : printable(compiled.error());
}

bool matches_whole(std::string_view pattern, std::string_view text) {
  const RE2 compiled(piece(pattern), quiet());
  return compiled.ok() && RE2::FullMatch(piece(text), compiled);
}

}  // namespace certctl::service
