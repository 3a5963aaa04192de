#include "core/server/settings.hpp"

namespace certctl::server {
namespace {

using config::Reload;
using config::Setting;
using config::Type;

constexpr double kNone = -std::numeric_limits<double>::infinity();
constexpr double kMore = std::numeric_limits<double>::infinity();
constexpr double kHour = 3600;

constexpr Setting kTable[] = {
    // Listener
    {"CERTCTL_SERVER_HOST", Type::list, "127.0.0.1", "Listener", "Addresses to bind, comma-separated"},
    {"CERTCTL_SERVER_PORT", Type::integer, "8080", "Listener", "Port; 0 lets the kernel choose (tests)", Reload::restart, 0, 65535, "", "invalid server port: {}"},
    {"CERTCTL_SERVER_TLS_CERT_PATH", Type::text, "", "Listener", "PEM certificate chain of the server, leaf first; required"},
    {"CERTCTL_SERVER_TLS_KEY_PATH", Type::text, "", "Listener", "PEM private key of the server, not encrypted; required"},
    {"CERTCTL_TLS_RELOAD_INTERVAL", Type::duration, "60s", "Listener", "How often the pair is looked at for changes; 0 switches it off", Reload::restart, 0},
    {"CERTCTL_MAX_BODY_SIZE", Type::integer, "1048576", "Listener", "Largest request body in bytes", Reload::restart, 4096, 67108864},
    {"CERTCTL_MAX_CONNECTIONS", Type::integer, "16384", "Listener", "Open connections in all, bounded by RLIMIT_NOFILE", Reload::restart, 16},
    {"CERTCTL_MAX_CONNECTIONS_PER_IP", Type::integer, "256", "Listener", "Of one address, while it has shown no valid credential", Reload::restart, 1},
    {"CERTCTL_WORKER_THREADS", Type::integer, "16", "Listener", "Threads that run request handlers", Reload::restart, 2, 1024},
    {"CERTCTL_CORS_ORIGINS", Type::list, "", "Listener", "Origins that browsers may call from; `*` for all", Reload::live},
    {"CERTCTL_TRUSTED_PROXIES", Type::list, "", "Listener", "Networks whose X-Forwarded-For is believed", Reload::live},
    {"CERTCTL_SHUTDOWN_TIMEOUT", Type::duration, "30s", "Listener", "How long running jobs may take after SIGTERM; what is left is taken up after the restart", Reload::restart, 1, 600},
    // Authentication
    {"CERTCTL_AUTH_TYPE", Type::choice, "api-key", "Authentication", "`api-key`, or `none` behind an authenticating gateway", Reload::restart, kNone, kMore, "api-key|none",
     "invalid auth type: {} (valid: [api-key none]). CERTCTL_AUTH_TYPE=jwt is no longer accepted (G-1 silent auth): put an authenticating gateway such as oauth2-proxy in front and use none"},
    {"CERTCTL_API_KEYS_NAMED", Type::secret, "", "Authentication", "`name:key[:admin]`, comma-separated; a key may be `sha256$<hex>`"},
    {"CERTCTL_API_KEYS_FILE", Type::text, "", "Authentication", "The same, one a line; mode 0640 at most; read again on SIGHUP", Reload::live},
    {"CERTCTL_AUTH_SECRET", Type::secret, "", "Authentication", "Keys without names (deprecated)"},
    {"CERTCTL_AGENT_BOOTSTRAP_TOKEN", Type::secret, "", "Authentication", "Token that registers agents; empty: any API key does"},
    {"CERTCTL_AGENT_AUTH_MODE", Type::choice, "shared", "Authentication", "`shared`: any key may act as an agent; `bound`: only the agent's own", Reload::restart, kNone, kMore, "shared|bound"},
    {"CERTCTL_AUTH_FAIL_LIMIT_PER_IP_MIN", Type::integer, "60", "Authentication", "Refused credentials of one address a minute; 0: no limit", Reload::live, 0},
    {"CERTCTL_CONFIG_ENCRYPTION_KEY", Type::secret, "", "Authentication", "Passphrase that seals secrets at rest, 32 bytes or more"},
    {"CERTCTL_CONFIG_ENCRYPTION_KEY_PREVIOUS", Type::secret, "", "Authentication", "Former passphrases, comma-separated: they open, nothing is sealed with them"},
    // Rate limits
    {"CERTCTL_RATE_LIMIT_ENABLED", Type::boolean, "true", "Rate limits", "Whether requests are limited", Reload::live},
    {"CERTCTL_RATE_LIMIT_RPS", Type::decimal, "50", "Rate limits", "Requests a second of one address", Reload::live, 0.001},
    {"CERTCTL_RATE_LIMIT_BURST", Type::integer, "100", "Rate limits", "Burst of one address", Reload::live, 1},
    {"CERTCTL_RATE_LIMIT_PER_USER_RPS", Type::decimal, "0", "Rate limits", "Requests a second of one key; 0: as an address", Reload::live, 0},
    {"CERTCTL_RATE_LIMIT_PER_USER_BURST", Type::integer, "0", "Rate limits", "Burst of one key; 0: as an address", Reload::live, 0},
    {"CERTCTL_RATE_LIMIT_PER_AGENT_RPS", Type::decimal, "5", "Rate limits", "Agent calls a second of one agent", Reload::live, 0.001},
    {"CERTCTL_RATE_LIMIT_PER_AGENT_BURST", Type::integer, "20", "Rate limits", "Burst of one agent", Reload::live, 1},
    // Database
    {"CERTCTL_DATABASE_URL", Type::secret, "", "Database", "PostgreSQL to use; empty: a private one below the data folder"},
    {"CERTCTL_DATABASE_MAX_CONNS", Type::integer, "25", "Database", "Connections of the pool", Reload::restart, 5, 500, "", "database max_connections must be at least 1 (5 to 500)"},
    {"CERTCTL_DATABASE_WAIT", Type::duration, "60s", "Database", "How long the start waits for the database", Reload::restart, 0, kHour},
    {"CERTCTL_DATABASE_REQUIRE_TLS", Type::boolean, "false", "Database", "Refuse connections without TLS"},
    {"CERTCTL_DATABASE_STATEMENT_TIMEOUT", Type::duration, "30s", "Database", "Longest statement of a request", Reload::restart, 1, kHour},
    {"CERTCTL_DATABASE_CAPABILITIES_OFF", Type::list, "", "Database", "Abilities of the engine to do without: notify, advisory, …"},
    {"CERTCTL_DATABASE_MIGRATE", Type::choice, "auto", "Database", "`auto` migrates at start, `check` refuses while something is pending", Reload::restart, kNone, kMore, "auto|check"},
    {"CERTCTL_PG_BINDIR", Type::text, "", "Database", "Programs of the private PostgreSQL; empty: those that fit the data"},
    {"CERTCTL_PG_SHARED_BUFFERS", Type::text, "128MB", "Database", "Memory of the private PostgreSQL"},
    // Jobs
    {"CERTCTL_KEYGEN_MODE", Type::choice, "agent", "Jobs", "Who generates keys: `agent`, or `server` for demonstrations", Reload::restart, kNone, kMore, "agent|server",
     "invalid keygen mode: {} (must be 'agent' or 'server')"},
    {"CERTCTL_RENEWAL_CONCURRENCY", Type::integer, "25", "Jobs", "Jobs in work in one process", Reload::restart, 1, 1000},
    {"CERTCTL_SCHEDULER_RENEWAL_CHECK_INTERVAL", Type::duration, "1h", "Jobs", "Net under the timed renewal scan", Reload::restart, 60, kMore, "", "renewal check interval must be at least 1 minute"},
    {"CERTCTL_SCHEDULER_JOB_PROCESSOR_INTERVAL", Type::duration, "30s", "Jobs", "Net under the wake-ups of workers; they look each second at most", Reload::restart, 1, kMore, "", "job processor interval must be at least 1 second"},
    {"CERTCTL_SCHEDULER_RETRY_INTERVAL", Type::duration, "5m", "Jobs", "Net under the timed retry sweep", Reload::restart, 1, kMore, "", "retry interval must be at least 1 second"},
    {"CERTCTL_JOB_TIMEOUT_INTERVAL", Type::duration, "10m", "Jobs", "How often jobs without a CSR are looked for", Reload::restart, 1, kMore, "", "job timeout interval must be at least 1 second"},
    {"CERTCTL_JOB_AWAITING_CSR_TIMEOUT", Type::duration, "24h", "Jobs", "How long a job waits for its CSR", Reload::restart, 1, kMore, "", "awaiting CSR timeout must be at least 1 second"},
    {"CERTCTL_SCHEDULER_AGENT_HEALTH_CHECK_INTERVAL", Type::duration, "2m", "Jobs", "How often silent agents are looked for", Reload::restart, 1, kMore, "", "agent health check interval must be at least 1 second"},
    {"CERTCTL_JOB_LEASE", Type::duration, "60s", "Jobs", "Lease of a running job, renewed while it runs", Reload::restart, 10},
    {"CERTCTL_ISSUER_CALL_TIMEOUT", Type::duration, "2m", "Jobs", "One call of an issuer's connector", Reload::restart, 5},
    {"CERTCTL_ORDER_MAX_AGE", Type::duration, "168h", "Jobs", "When an order at a CA is given up", Reload::restart, kHour},
    {"CERTCTL_RENEWAL_JITTER_PERCENT", Type::integer, "10", "Jobs", "Spread of renewals, in percent of the window", Reload::restart, 0, 50},
    {"CERTCTL_RENEW_EXPIRED", Type::boolean, "true", "Jobs", "Whether expired certificates go on being renewed"},
    // Notifications
    {"CERTCTL_WEBHOOK_URL", Type::text, "", "Notifications", "The default webhook: it gets every event"},
    {"CERTCTL_WEBHOOK_SECRET", Type::secret, "", "Notifications", "Signs what the default webhook gets"},
    {"CERTCTL_NOTIFY_ON_SUCCESS", Type::choice, "renewal", "Notifications", "Which successes are told", Reload::restart, kNone, kMore, "none|renewal|all"},
    {"CERTCTL_DEFAULT_OWNER_EMAIL", Type::text, "", "Notifications", "Recipient where owner and team have no address"},
    {"CERTCTL_PUBLIC_URL", Type::text, "", "Notifications", "Root of links in messages"},
    // Plugins
    {"CERTCTL_PLUGIN_DIR", Type::text, "/usr/lib/certctl/plugins:/usr/local/lib/certctl/plugins", "Plugins", "Folders with issuers/, targets/, notifiers/, separated by colons"},
    {"CERTCTL_SSRF_ALLOW_CIDRS", Type::list, "", "Plugins", "Networks that guarded connections may reach all the same"},
    {"CERTCTL_SSRF_DENY_CIDRS", Type::list, "", "Plugins", "Networks that they must not reach"},
    // Own CAs
    {"CERTCTL_CA_CERT_PATH", Type::text, "", "Own CAs", "Certificate of the seeded local CA; with the key path, or neither"},
    {"CERTCTL_CA_KEY_PATH", Type::text, "", "Own CAs", "Its key"},
    {"CERTCTL_CA_DIR", Type::text, "", "Own CAs", "Keys of generated CAs when there is no passphrase; empty: `ca` in the data folder"},
    // Process
    {"CERTCTL_DATA_DIR", Type::text, "/var/lib/certctl", "Process", "State that must survive"},
    {"CERTCTL_RUNTIME_DIR", Type::text, "", "Process", "Sockets; empty: $RUNTIME_DIRECTORY, else /run/certctl; 80 bytes at most"},
    {"CERTCTL_RUN_AS", Type::text, "certctl", "Process", "Account to become when started as root"},
    {"CERTCTL_ALLOW_ROOT", Type::boolean, "false", "Process", "Stay root when CERTCTL_RUN_AS does not exist"},
    {"CERTCTL_INSTANCE_ID", Type::text, "", "Process", "Name of this replica; empty: made once, kept in the data folder"},
    {"CERTCTL_LOG_LEVEL", Type::choice, "info", "Process", "Least level that is logged", Reload::live, kNone, kMore, "debug|info|warn|error", "invalid log level: {}"},
    {"CERTCTL_LOG_FORMAT", Type::choice, "json", "Process", "`json` or `text`", Reload::restart, kNone, kMore, "json|text", "invalid log format: {}"},
    {"CERTCTL_AUDIT_FLUSH_TIMEOUT_SECONDS", Type::integer, "30", "Process", "Budget for running requests and the last audit events when stopping", Reload::restart, 1, 3600},
    {"CERTCTL_AUDIT_AGENT_POLLS", Type::choice, "summary", "Process", "Heartbeats and polls in the audit trail", Reload::restart, kNone, kMore, "summary|all|off"},
    {"CERTCTL_CONFIG_STRICT", Type::boolean, "false", "Process", "Refuse the start when the environment holds an unknown CERTCTL_ name"},
};

}  // namespace

std::span<const Setting> settings_table() { return kTable; }

}  // namespace certctl::server
