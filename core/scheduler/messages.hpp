#pragma once

#include "core/base/log.hpp"

namespace certctl::scheduler::messages {

using log::Level;

inline constexpr log::Message kTaskFailed{"TASK_FAILED", Level::error, "a task ended with an error; its job is taken up again when the lease ends"};
inline constexpr log::Message kJobClaimed{"JOB_CLAIMED", Level::debug, "job claimed"};
inline constexpr log::Message kClaimFailed{"JOB_CLAIM_FAILED", Level::warn, "jobs could not be claimed; tried again in a second"};
inline constexpr log::Message kLoopFailed{"LOOP_FAILED", Level::warn, "a loop failed; it runs again when it is due"};
inline constexpr log::Message kLoopLost{"LOOP_LOST", Level::info, "a loop has moved to another instance"};

}  // namespace certctl::scheduler::messages
