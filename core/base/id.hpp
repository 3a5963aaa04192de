#pragma once

#include <string>
#include <string_view>

#include "core/base/clock.hpp"

namespace certctl {

/// `<prefix>-<unix nanoseconds, 19 digits>-<10 characters base32 of random bytes>`: sorts by time, cannot be guessed,
/// unique across replicas.
std::string new_id(std::string_view prefix, const Clock& clock);

/// RFC 4122 version 4, lower case.
std::string new_uuid();

/// What a client may choose as an id, and what a path may hold: `^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$`.
bool is_valid_id(std::string_view id);

}  // namespace certctl
