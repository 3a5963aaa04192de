#pragma once

#include "core/base/log.hpp"

namespace certctl::db {

inline constexpr log::Message kDbConnected{"DB_CONNECTED", log::Level::info, "database reached"};
inline constexpr log::Message kDbLost{"DB_LOST", log::Level::warn, "database connection lost; reconnecting",
                                      "Look at the database server's log and at the network between."};
inline constexpr log::Message kDbBack{"DB_BACK", log::Level::info, "database connection restored"};
inline constexpr log::Message kDbTlsUnverified{"DB_TLS_UNVERIFIED", log::Level::warn,
                                               "the database server's identity is not verified",
                                               "Set sslmode=verify-full and sslrootcert in the database URL."};
inline constexpr log::Message kDbCapability{"DB_CAPABILITY", log::Level::info, "what the database engine can do"};
inline constexpr log::Message kDbRetried{"DB_RETRIED", log::Level::debug, "transaction is run again"};

inline constexpr log::Message kLeaseLost{"LEASE_LOST", log::Level::warn, "lease lost"};
inline constexpr log::Message kLeaseKeepFailed{"LEASE_KEEP_FAILED", log::Level::warn,
                                               "leases could not be kept and are given up"};

inline constexpr log::Message kWakeListening{"WAKE_LISTENING", log::Level::debug, "listening for changes"};
inline constexpr log::Message kWakePolling{"WAKE_POLLING", log::Level::warn,
                                           "notifications are interrupted; tables are polled each second meanwhile"};
inline constexpr log::Message kWakeSendFailed{"WAKE_SEND_FAILED", log::Level::warn, "changes could not be announced"};
inline constexpr log::Message kWakeCallbackFailed{"WAKE_CALLBACK_FAILED", log::Level::error,
                                                  "a subscriber failed on a wake-up", "Report this defect."};

inline constexpr log::Message kMigrationApplied{"MIGRATION_APPLIED", log::Level::info, "schema migration applied"};
inline constexpr log::Message kMigrationWaiting{"MIGRATION_WAITING", log::Level::info,
                                                "another instance migrates the database; waiting"};
inline constexpr log::Message kMigrationBlocked{"MIGRATION_BLOCKED", log::Level::warn,
                                                "a migration waits for a table that a long query uses; trying again",
                                                "End long-running queries and transactions on the database."};

inline constexpr log::Message kPgInitialised{"PG_INITIALISED", log::Level::info, "private PostgreSQL cluster created"};
inline constexpr log::Message kPgStarted{"PG_STARTED", log::Level::info, "private PostgreSQL takes connections"};
inline constexpr log::Message kPgAdopted{"PG_ADOPTED", log::Level::info,
                                         "a private PostgreSQL of an earlier run is alive and was adopted"};
inline constexpr log::Message kPgRecovered{"PG_RECOVERED", log::Level::info,
                                           "private PostgreSQL recovered from a crash"};
inline constexpr log::Message kPgLingering{"PG_LINGERING", log::Level::warn,
                                           "processes of an earlier private PostgreSQL still hold its folder; waiting"};
inline constexpr log::Message kPgDown{"PG_DOWN", log::Level::error, "private PostgreSQL ended unexpectedly; restarting",
                                      "Look at the records of component postgres before this one."};
inline constexpr log::Message kPgCrashed{
    "PG_CRASHED", log::Level::error, "private PostgreSQL does not stay up; given up",
    "Look at the records of component postgres; with damaged data, restore a backup."};
inline constexpr log::Message kPgStopped{"PG_STOPPED", log::Level::info, "private PostgreSQL stopped"};
inline constexpr log::Message kPgStopSlow{"PG_STOP_SLOW", log::Level::warn,
                                          "private PostgreSQL did not stop in time and is ended at once"};
inline constexpr log::Message kPgDebug{"PG_LOG", log::Level::debug, "postgres"};
inline constexpr log::Message kPgInfo{"PG_LOG", log::Level::info, "postgres"};
inline constexpr log::Message kPgWarning{"PG_LOG", log::Level::warn, "postgres"};
inline constexpr log::Message kPgError{"PG_LOG", log::Level::error, "postgres"};

}  // namespace certctl::db
