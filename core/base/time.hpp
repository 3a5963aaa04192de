#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/base/clock.hpp"

namespace certctl {

/// RFC 3339, UTC, `Z`, up to six fractional digits without trailing zeros: `2026-01-02T03:04:05.678Z`.
std::string format_time(Time time);

/// `2026-01-02`.
std::string format_date(Time time);

/// RFC 3339 with any offset; fractions beyond microseconds are cut. nullopt: not a time.
/// Go's zero time `0001-01-01T00:00:00Z` parses like any other; see is_zero_time().
std::optional<Time> parse_time(std::string_view text);

/// Go's "no time", which upstream's clients send and expect where a field has no null.
inline constexpr std::string_view kZeroTimeText = "0001-01-01T00:00:00Z";
bool is_zero_time(Time time);

/// Go's duration syntax: `300ms`, `1h30m`, `1.5h`, `-2s`, plus `d` for days; `0` needs no unit.
/// nullopt: malformed, no unit, or beyond ±290 years.
std::optional<Duration> parse_duration(std::string_view text);

/// As Go prints it: `5m0s`, `24h0m0s`, `168h0m0s`, `1.5s`, `300ms`.
std::string format_duration(Duration duration);

}  // namespace certctl
