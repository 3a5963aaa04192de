#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace certctl::local {

/// What makes a name look like another one (ca-crl-ocsp.md §5.2): `contains zero-width character U+200B at byte offset
/// 3`; nullopt: nothing. `text` is UTF-8; offsets count bytes.
std::optional<std::string> deceptive_character(std::string_view text);

}  // namespace certctl::local
