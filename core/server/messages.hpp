#pragma once

#include "core/base/log.hpp"

namespace certctl::server::messages {

using log::Level;

inline constexpr log::Message kStarting{"SERVER_STARTING", Level::info, "certctl server starting"};
inline constexpr log::Message kReady{"SERVER_READY", Level::info, "HTTPS server listening"};
inline constexpr log::Message kStopping{"SERVER_STOPPING", Level::info, "received shutdown signal"};
inline constexpr log::Message kStopped{"SERVER_STOPPED", Level::info, "certctl server stopped"};
inline constexpr log::Message kGatePassed{"GATE_PASSED", Level::debug, "start gate passed"};
inline constexpr log::Message kGateFailed{"GATE_FAILED", Level::error, "start gate failed"};
inline constexpr log::Message kConfigUnknownKey{"CONFIG_UNKNOWN_KEY", Level::warn, "unknown setting in the environment"};
inline constexpr log::Message kWarning{"START_WARNING", Level::warn, "something to look at"};
inline constexpr log::Message kReloaded{"CONFIG_RELOADED", Level::info, "settings reloaded"};
inline constexpr log::Message kReloadFailed{"CONFIG_RELOAD_FAILED", Level::error, "settings could not be reloaded; the old ones stay"};
inline constexpr log::Message kDatabaseWaiting{"DB_WAITING", Level::info, "waiting for the database"};
inline constexpr log::Message kDatabaseGone{"PG_GIVEN_UP", Level::error, "the private PostgreSQL cannot be kept running",
                                            "see the PostgreSQL lines above; restore a backup if its data is damaged"};

inline constexpr log::Message kPluginRefused{"PLUGIN_REFUSED", Level::error, "a plugin was refused"};
inline constexpr log::Message kAuditRecordFailed{"AUDIT_RECORD_FAILED", Level::error, "an audit event could not be made"};

}  // namespace certctl::server::messages
