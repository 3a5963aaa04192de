#pragma once

#include <string>
#include <string_view>

namespace certctl::service {

/// Foreign text (a name, a CA's error) made fit to stand in one line of a message: line breaks become blanks; other control
/// characters except TAB, direction marks and invisible characters are dropped, so that it can neither forge a line nor
/// show as something else. `text` must be UTF-8.
std::string plain_text(std::string_view text);

}  // namespace certctl::service
