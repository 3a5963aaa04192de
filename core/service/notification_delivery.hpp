#pragma once

#include "core/base/clock.hpp"
#include "core/plugin/fields.hpp"
#include "core/plugin/outcome.hpp"
#include "core/store/notifications.hpp"

/// One message on its way: what the plugin is given, and what its answer means for the row.
namespace certctl::service {

/// The inputs of `send`. The `[threshold:N]` line that programs look for stays behind.
plugin::Fields send_fields(const domain::Notification& row);

/// What an answer says about the channel.
enum class ChannelSign { works, fails, none };

struct Judgement {
  store::notifications::Result result;
  ChannelSign sign = ChannelSign::none;
  Duration pause{};  ///< the channel wants no message for so long; zero: it does not mind
};

/// Failure k waits min(2^(k−1) min, 1 h), ± `jitter` (−0.1 … 0.1) of it; the `max_attempts`th is the last, of refused
/// credentials the second. A wrong configuration or a refusal for good ends it at once; a rate limit costs no attempt.
Judgement judge(const plugin::Outcome& outcome, const store::notifications::Claimed& claimed, int max_attempts, Time now, double jitter);

/// The row as it was before the claim.
store::notifications::Result put_back(const store::notifications::Claimed& claimed);

}  // namespace certctl::service
