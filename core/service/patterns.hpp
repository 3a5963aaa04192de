#pragma once

#include <string>
#include <string_view>

/// Regular expressions that users write: RE2 syntax, matched against the whole text, in linear time and bounded memory.
namespace certctl::service {

inline constexpr std::size_t kMaxPattern = 512;  ///< bytes

/// Why `pattern` cannot be used; empty: nothing is wrong with it.
std::string pattern_fault(std::string_view pattern);

/// Whether the whole of `text` matches. A pattern with a fault matches nothing.
bool matches_whole(std::string_view pattern, std::string_view text);

}  // namespace certctl::service
