#include "core/server/application.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <fcntl.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "core/api/agents.hpp"
#include "core/api/audit.hpp"
#include "core/api/certificates.hpp"
#include "core/api/issuers.hpp"
#include "core/api/jobs.hpp"
#include "core/api/meta.hpp"
#include "core/api/notifications.hpp"
#include "core/api/owners.hpp"
#include "core/api/profiles.hpp"
#include "core/api/renewal_policies.hpp"
#include "core/api/targets.hpp"
#include "core/api/teams.hpp"
#include "core/base/build_info.hpp"
#include "core/base/error.hpp"
#include "core/base/id.hpp"
#include "core/base/random.hpp"
#include "core/base/time.hpp"
#include "core/crypto/library.hpp"
#include "core/crypto/tls_identity.hpp"
#include "core/db/migrator.hpp"
#include "core/db/private_server.hpp"
#include "core/http/server.hpp"
#include "core/http/ssrf.hpp"
#include "core/plugin/host.hpp"
#include "core/plugin_services/standard_services.hpp"
#include "core/scheduler/job_runner.hpp"
#include "core/scheduler/loops.hpp"
#include "core/server/audit_sink.hpp"
#include "core/server/gate.hpp"
#include "core/server/key_provider.hpp"
#include "core/server/messages.hpp"
#include "core/server/privileges.hpp"
#include "core/server/state_store.hpp"
#include "core/service/notification_sender.hpp"
#include "core/service/notifier_channels.hpp"
#include "core/service/upkeep.hpp"
#include "core/store/agents.hpp"
#include "core/store/installation.hpp"

namespace certctl::server {

using namespace std::chrono_literals;

namespace {

std::chrono::milliseconds milliseconds(Duration duration) { return std::chrono::duration_cast<std::chrono::milliseconds>(duration); }

http::ChainOptions chain_options(const config::Values& s) {
  http::ChainOptions options;
  options.body_limit = std::uint64_t(s.integer("CERTCTL_MAX_BODY_SIZE"));
  options.rate_limit = s.flag("CERTCTL_RATE_LIMIT_ENABLED");
  options.per_ip = {s.decimal("CERTCTL_RATE_LIMIT_RPS"), double(s.integer("CERTCTL_RATE_LIMIT_BURST"))};
  options.per_user = options.per_ip;
  if (s.decimal("CERTCTL_RATE_LIMIT_PER_USER_RPS") > 0) options.per_user.per_second = s.decimal("CERTCTL_RATE_LIMIT_PER_USER_RPS");
  if (s.integer("CERTCTL_RATE_LIMIT_PER_USER_BURST") > 0) options.per_user.burst = double(s.integer("CERTCTL_RATE_LIMIT_PER_USER_BURST"));
  options.per_agent = {s.decimal("CERTCTL_RATE_LIMIT_PER_AGENT_RPS"), double(s.integer("CERTCTL_RATE_LIMIT_PER_AGENT_BURST"))};
  options.auth_failures_per_minute = int(s.integer("CERTCTL_AUTH_FAIL_LIMIT_PER_IP_MIN"));
  options.cors_origins = s.list("CERTCTL_CORS_ORIGINS");
  options.trusted_proxies = http::parse_cidrs(s.list("CERTCTL_TRUSTED_PROXIES"));
  return options;
}

http::ApiKeys read_api_keys(const config::Values& s) {
  http::ApiKeys keys = http::ApiKeys::parse_named(s.secret("CERTCTL_API_KEYS_NAMED"));
  if (const std::string& path = s.text("CERTCTL_API_KEYS_FILE"); !path.empty()) {
    std::ifstream in(path);
    if (!in) throw invalid(fmt::format("CERTCTL_API_KEYS_FILE: {} cannot be read", path));
    keys = keys.merged(http::ApiKeys::parse_file(std::string((std::istreambuf_iterator<char>(in)), {})));
  }
  if (keys.empty() && !s.secret("CERTCTL_AUTH_SECRET").empty()) keys = http::ApiKeys::parse_legacy(s.secret("CERTCTL_AUTH_SECRET"));
  return keys;
}

std::vector<Secret> previous_passphrases(const config::Values& s) {
  std::vector<Secret> out;
  s.secret("CERTCTL_CONFIG_ENCRYPTION_KEY_PREVIOUS").use([&](std::string_view text) {
    for (auto& part : split_list(text)) out.emplace_back(std::move(part));
  });
  return out;
}

crypto::Sealer::Salt salt_of(const std::string& hex) {
  const auto bytes = from_hex(hex);
  crypto::Sealer::Salt salt{};
  if (!bytes || bytes->size() != salt.size()) throw internal("the installation's salt in table settings is damaged; restore it from a backup");
  std::copy(bytes->begin(), bytes->end(), salt.begin());
  return salt;
}

/// The file's text, made from `fresh` when it is missing.
std::string remembered(const std::string& path, const std::string& fresh) {
  std::ifstream in(path);
  std::string text;
  if (in && std::getline(in, text) && !trim(text).empty()) return std::string(trim(text));
  const std::string temporary = path + ".new";
  {
    std::ofstream out(temporary, std::ios::trunc);
    out << fresh << '\n';
    if (!out.flush()) throw std::runtime_error(fmt::format("{} cannot be written", temporary));
  }
  std::filesystem::rename(temporary, path);
  return fresh;
}

/// One server a data folder; the descriptor holds the lock as long as the process lives.
void lock_folder(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) throw std::runtime_error(fmt::format("{} cannot be opened", path));
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    char buffer[32] = {};
    const ssize_t got = ::pread(descriptor, buffer, sizeof buffer - 1, 0);
    throw std::runtime_error(fmt::format("another server (pid {}) uses this data folder", got > 0 ? std::string(trim(buffer)) : "unknown"));
  }
  const std::string pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(descriptor, 0) != 0 || ::pwrite(descriptor, pid.data(), pid.size(), 0) < 0) throw std::runtime_error(fmt::format("{} cannot be written", path));
}

}  // namespace

/// Everything that lives as long as the server does, in the order in which it is made.
class Application::Parts {
 public:
  explicit Parts(const config::Values& settings)
      : settings_(settings), audit_(clock_), sink_(clock_, settings.text("CERTCTL_AUDIT_AGENT_POLLS") == "all"   ? AgentPolls::all
                                                            : settings.text("CERTCTL_AUDIT_AGENT_POLLS") == "off" ? AgentPolls::off
                                                                                                                  : AgentPolls::summary) {}

  void check_files();
  void listen();
  void open_database(bool may_migrate);
  void unseal();
  void load_plugins();
  void assemble();
  void begin();
  void reload();
  void end();
  int apply_migrations();
  int wait_for_signal();

 private:
  bool is_private() const { return settings_.secret("CERTCTL_DATABASE_URL").empty(); }
  std::string data(std::string_view below) const { return settings_.text("CERTCTL_DATA_DIR") + "/" + std::string(below); }
  std::string ca_folder() const { return settings_.text("CERTCTL_CA_DIR").empty() ? data("ca") : settings_.text("CERTCTL_CA_DIR"); }
  std::string runtime_dir() const;
  service::Ground ground() { return {*database_, clock_, audit_}; }
  service::KeyGeneration keys() const {
    return settings_.text("CERTCTL_KEYGEN_MODE") == "server" ? service::KeyGeneration::server : service::KeyGeneration::agent;
  }
  void add_routes();
  std::vector<scheduler::Loop> loops();
  void warn(const std::string& what) { log::write(messages::kWarning, {{"detail", what}}); }

  const config::Values& settings_;
  SystemClock clock_;
  Account account_;
  std::string instance_id_;
  service::Audit audit_;
  AuditSink sink_;
  http::Router router_;
  std::unique_ptr<http::KeyAuthenticator> authenticator_;
  std::unique_ptr<http::Chain> chain_;
  std::unique_ptr<http::Server> listener_;
  std::unique_ptr<db::PrivateServer> postgres_;
  std::unique_ptr<db::Database> database_;
  std::unique_ptr<crypto::Sealer> sealer_;
  std::unique_ptr<plugin::Host> plugins_;
  std::unique_ptr<service::OwnCas> cas_;
  std::shared_ptr<plugin::Services> issuer_services_, notifier_services_;
  std::unique_ptr<service::IssuerRegistry> registry_;
  std::unique_ptr<service::AuditQueue> audit_queue_;
  std::unique_ptr<db::WakeUps> wake_ups_;
  std::unique_ptr<db::Leases> leases_;
  std::unique_ptr<service::JobQueue> queue_;
  std::unique_ptr<service::Notifications> notifications_;
  std::unique_ptr<service::NotifierChannels> channels_;
  std::unique_ptr<service::NotificationSender> sender_;
  std::unique_ptr<service::AuditTrail> trail_;
  std::unique_ptr<service::Teams> teams_;
  std::unique_ptr<service::Owners> owners_;
  std::unique_ptr<service::Profiles> profiles_;
  std::unique_ptr<service::RenewalPolicies> policies_;
  std::unique_ptr<service::Issuers> issuers_;
  std::unique_ptr<service::Targets> targets_;
  std::unique_ptr<service::Agents> agents_;
  std::unique_ptr<service::AgentWork> work_;
  std::unique_ptr<service::Certificates> certificates_;
  std::unique_ptr<service::Jobs> jobs_;
  std::unique_ptr<service::Revocation> revocation_;
  std::unique_ptr<service::RevocationNotice> notices_;
  std::unique_ptr<service::Issuance> issuance_;
  std::unique_ptr<service::RenewalScan> scan_;
  std::unique_ptr<service::Upkeep> upkeep_;
  std::unique_ptr<scheduler::WorkerPool> poll_pool_;
  std::unique_ptr<scheduler::JobRunner> runner_;
  std::unique_ptr<scheduler::Loops> loops_;
  std::unique_ptr<api::WorkPolls> polls_;
  std::unique_ptr<api::AgentRoutes> agent_routes_;
  std::atomic<bool> draining_{false};
};

std::string Application::Parts::runtime_dir() const {
  if (const std::string& given = settings_.text("CERTCTL_RUNTIME_DIR"); !given.empty()) return given;
  const char* systemd = std::getenv("RUNTIME_DIRECTORY");
  return systemd != nullptr && systemd[0] != '\0' ? systemd : "/run/certctl";
}

void Application::Parts::check_files() {
  gate("privileges", "make the account (adduser --system certctl), name another one in CERTCTL_RUN_AS, or set CERTCTL_ALLOW_ROOT=true", [&] {
    harden_process();
    account_ = choose_account(settings_.text("CERTCTL_RUN_AS"), settings_.flag("CERTCTL_ALLOW_ROOT"));
  });
  gate("paths", "CERTCTL_DATA_DIR and CERTCTL_RUNTIME_DIR name the folders", [&] {
    if (runtime_dir().size() > 80) throw invalid(fmt::format("CERTCTL_RUNTIME_DIR {} is longer than 80 bytes, and socket paths end at 107", runtime_dir()));
    own_folder(settings_.text("CERTCTL_DATA_DIR"), 0750, account_);
    own_folder(data("state"), 0700, account_);
    own_folder(ca_folder(), 0700, account_);
    own_folder(runtime_dir(), 0750, account_);
    lock_folder(data("state/server.lock"));
    const auto space = std::filesystem::space(settings_.text("CERTCTL_DATA_DIR"));
    if (space.available < 100ULL * 1024 * 1024) throw invalid(fmt::format("{} has less than 100 MiB free", settings_.text("CERTCTL_DATA_DIR")));
    const std::string& given = settings_.text("CERTCTL_INSTANCE_ID");
    instance_id_ = given.empty() ? remembered(data("state/instance-id"), new_id("srv", clock_)) : given;
    if (account_.change && ::chown(data("state/instance-id").c_str(), account_.uid, account_.gid) != 0 && given.empty()) throw invalid("state/instance-id cannot be given away");
  });
  gate("clock", "set the system's date", [&] {
    const auto built = parse_time(build_info().build_time);
    if (built && clock_.now() < *built - 24h) throw invalid("the system clock is earlier than the day this program was built");
    if (!crypto::reserve_key_memory()) warn("private keys cannot be locked in memory (RLIMIT_MEMLOCK); they may be swapped out");
  });
  gate("tls", "CERTCTL_SERVER_TLS_CERT_PATH and CERTCTL_SERVER_TLS_KEY_PATH name a PEM chain and its key; there is no plain-HTTP port", [&] {
    if (settings_.text("CERTCTL_SERVER_TLS_CERT_PATH").empty()) throw invalid("server TLS cert path is required: set CERTCTL_SERVER_TLS_CERT_PATH and CERTCTL_SERVER_TLS_KEY_PATH");
    if (settings_.text("CERTCTL_SERVER_TLS_KEY_PATH").empty()) throw invalid("server TLS key path is required: set CERTCTL_SERVER_TLS_KEY_PATH");
    const auto loaded = crypto::load_identity(settings_.text("CERTCTL_SERVER_TLS_CERT_PATH"), settings_.text("CERTCTL_SERVER_TLS_KEY_PATH"), clock_.now());
    for (const auto& warning : loaded.warnings) warn(warning);
  });
  gate("auth", "set CERTCTL_API_KEYS_NAMED, for example admin:$(openssl rand -hex 32):admin", [&] {
    auto keys = read_api_keys(settings_);
    http::KeyAuthenticatorOptions options;
    options.type = settings_.text("CERTCTL_AUTH_TYPE") == "none" ? http::AuthType::none : http::AuthType::api_key;
    options.agents = settings_.text("CERTCTL_AGENT_AUTH_MODE") == "bound" ? http::AgentMode::bound : http::AgentMode::shared;
    options.bootstrap_token = settings_.secret("CERTCTL_AGENT_BOOTSTRAP_TOKEN").clone();
    if (options.type == http::AuthType::none) warn("CERTCTL_AUTH_TYPE=none: everybody who reaches the port may do everything but administer");
    else if (keys.empty()) throw invalid("auth secret is required for auth type api-key: set CERTCTL_API_KEYS_NAMED");
    for (const auto& warning : keys.warnings()) warn(warning);
    if (options.bootstrap_token.empty()) warn("CERTCTL_AGENT_BOOTSTRAP_TOKEN is not set: any API key may register agents");
    const auto& passphrase = settings_.secret("CERTCTL_CONFIG_ENCRYPTION_KEY");
    if (!passphrase.empty() && passphrase.size() < 32) {
      throw invalid(fmt::format("CERTCTL_CONFIG_ENCRYPTION_KEY too short ({} bytes; minimum 32); make one with openssl rand -base64 32", passphrase.size()));
    }
    if (settings_.text("CERTCTL_CA_CERT_PATH").empty() != settings_.text("CERTCTL_CA_KEY_PATH").empty()) {
      throw invalid("CERTCTL_CA_CERT_PATH and CERTCTL_CA_KEY_PATH must both be set, or neither");
    }
    authenticator_ = std::make_unique<http::KeyAuthenticator>(std::move(options), std::move(keys), [this](const std::string& hash) -> std::optional<http::AgentIdentity> {
      const auto owner = store::agents::find_by_key(*database_, hash);
      if (!owner) return std::nullopt;
      return http::AgentIdentity{owner->id, owner->retired};
    }, clock_);
  });
}

void Application::Parts::listen() {
  gate("listen", "choose another CERTCTL_SERVER_PORT, or stop what holds it", [&] {
    chain_ = std::make_unique<http::Chain>(chain_options(settings_), router_, *authenticator_, sink_, clock_);
    http::ServerOptions options;
    options.hosts = settings_.list("CERTCTL_SERVER_HOST");
    options.port = std::uint16_t(settings_.integer("CERTCTL_SERVER_PORT"));
    options.tls_cert_path = settings_.text("CERTCTL_SERVER_TLS_CERT_PATH");
    options.tls_key_path = settings_.text("CERTCTL_SERVER_TLS_KEY_PATH");
    options.tls_reload_interval = milliseconds(settings_.duration("CERTCTL_TLS_RELOAD_INTERVAL"));
    options.limits.body_bytes = std::uint64_t(settings_.integer("CERTCTL_MAX_BODY_SIZE"));
    options.limits.connections = std::size_t(settings_.integer("CERTCTL_MAX_CONNECTIONS"));
    options.limits.connections_per_ip = std::size_t(settings_.integer("CERTCTL_MAX_CONNECTIONS_PER_IP"));
    options.limits.workers = std::size_t(settings_.integer("CERTCTL_WORKER_THREADS"));
    listener_ = std::make_unique<http::Server>(std::move(options), *chain_);
  });
  gate("privileges", "", [&] { become(account_); });
}

void Application::Parts::open_database(bool may_migrate) {
  gate("database", "CERTCTL_DATABASE_URL names the database; unset, a private PostgreSQL (package postgresql-15) is used", [&] {
    db::DatabaseOptions options;
    if (is_private()) {
      db::PrivateServerOptions pg;
      pg.data_dir = settings_.text("CERTCTL_DATA_DIR");
      pg.runtime_dir = runtime_dir();
      pg.bindir = settings_.text("CERTCTL_PG_BINDIR");
      pg.shared_buffers = settings_.text("CERTCTL_PG_SHARED_BUFFERS");
      pg.max_connections = int(settings_.integer("CERTCTL_DATABASE_MAX_CONNS")) + 10;
      pg.on_failed = [](const std::string& reason) {
        log::write(messages::kDatabaseGone, {{"reason", reason}});
        ::kill(::getpid(), SIGTERM);
      };
      postgres_ = std::make_unique<db::PrivateServer>(std::move(pg));
      postgres_->start();
      options.target = db::ConnectionTarget::parse(postgres_->url());
    } else {
      options.target = settings_.secret("CERTCTL_DATABASE_URL").use([](std::string_view url) { return db::ConnectionTarget::parse(url); });
      if (!options.target.is_local() && !options.target.verifies_server()) warn("the database's certificate is not verified: use sslmode=verify-full");
    }
    options.max_connections = int(settings_.integer("CERTCTL_DATABASE_MAX_CONNS"));
    options.statement_timeout = milliseconds(settings_.duration("CERTCTL_DATABASE_STATEMENT_TIMEOUT"));
    options.require_tls = settings_.flag("CERTCTL_DATABASE_REQUIRE_TLS");
    options.instance_id = instance_id_;
    options.capabilities_off = settings_.list("CERTCTL_DATABASE_CAPABILITIES_OFF");
    const std::string where = options.target.describe();
    database_ = std::make_unique<db::Database>(std::move(options));
    const auto deadline = clock_.steady() + settings_.duration("CERTCTL_DATABASE_WAIT");
    for (auto pause = 500ms; !database_->ping(5s); pause = std::min<std::chrono::milliseconds>(pause * 2, 5s)) {
      if (clock_.steady() >= deadline) throw unavailable(fmt::format("the database does not answer ({})", where));
      log::write(messages::kDatabaseWaiting, {{"database", where}});
      std::this_thread::sleep_for(pause);
    }
    database_->probe();
  });
  gate("schema", "run the newer program, or restore the backup that fits this one", [&] {
    db::Migrator migrator(*database_);
    const auto status = migrator.status();
    if (status.pending.empty()) return;
    if (!may_migrate || settings_.text("CERTCTL_DATABASE_MIGRATE") == "check") {
      if (may_migrate) throw invalid(fmt::format("{} migrations are pending; run certctl-server migrate", status.pending.size()));
      return;  // checked, not changed
    }
    migrator.apply();
  });
}

int Application::Parts::apply_migrations() { return db::Migrator(*database_).apply(); }

void Application::Parts::unseal() {
  gate("sealing", "set CERTCTL_CONFIG_ENCRYPTION_KEY to the passphrase that this database was sealed with", [&] {
    std::array<std::uint8_t, 16> random{};
    fill_random(random);
    const auto installation = store::installation::find_or_make(*database_, {new_uuid(), to_hex(random)});
    sealer_ = std::make_unique<crypto::Sealer>(settings_.secret("CERTCTL_CONFIG_ENCRYPTION_KEY").clone(), salt_of(installation.salt_hex), previous_passphrases(settings_));
    if (!sealer_->has_key()) {
      const auto rows = store::installation::sealed_rows(*database_);
      if (rows.issuers + rows.targets > 0) {
        throw invalid(fmt::format("startup refused: CERTCTL_CONFIG_ENCRYPTION_KEY is not set but database-sourced configs exist ({} issuers, {} targets)",
                                  rows.issuers, rows.targets));
      }
      warn("CERTCTL_CONFIG_ENCRYPTION_KEY is not set: issuers and targets with settings cannot be stored");
      return;
    }
    sealer_->prepare();
    const auto sample = store::installation::sealed_sample(*database_);
    if (!sample) return;
    try {
      if (sample->config) sealer_->open_config(sample->blob);
      else sealer_->open({sample->table, sample->id, "key_sealed"}, sample->blob);
    } catch (const Error&) {
      throw invalid(fmt::format("CERTCTL_CONFIG_ENCRYPTION_KEY does not open table {}, row {}", sample->table, sample->id));
    }
  });
}

void Application::Parts::load_plugins() {
  gate("plugins", "CERTCTL_PLUGIN_DIR lists the folders that hold issuers/, targets/, notifiers/", [&] {
    plugins_ = std::make_unique<plugin::Host>(plugin::plugin_folders(settings_.text("CERTCTL_PLUGIN_DIR")), std::make_shared<SystemClock>());
    for (const auto& refusal : plugins_->refusals()) log::write(messages::kPluginRefused, {{"file", refusal.file}, {"reason", refusal.reason}});
    if (plugins_->connectors("issuer").empty()) warn("no issuer plugin was found in " + settings_.text("CERTCTL_PLUGIN_DIR"));
  });
}

void Application::Parts::assemble() {
  const auto allow = http::parse_cidrs(settings_.list("CERTCTL_SSRF_ALLOW_CIDRS")), deny = http::parse_cidrs(settings_.list("CERTCTL_SSRF_DENY_CIDRS"));
  cas_ = std::make_unique<service::OwnCas>(ground(), *sealer_, ca_folder());
  plugin::StandardServicesOptions for_issuers;
  for_issuers.address_policy = http::AddressPolicy(http::Guard::administrator, allow, deny);
  for_issuers.keys = std::make_shared<OwnCaKeys>(*cas_);
  for_issuers.state = std::make_shared<DatabaseState>(*database_, *sealer_);
  issuer_services_ = plugin::standard_services(std::move(for_issuers));
  plugin::StandardServicesOptions for_notifiers;
  for_notifiers.address_policy = http::AddressPolicy(http::Guard::guarded, allow, deny);
  notifier_services_ = plugin::standard_services(std::move(for_notifiers));
  registry_ = std::make_unique<service::IssuerRegistry>(*database_, *plugins_, *sealer_, issuer_services_);

  audit_queue_ = std::make_unique<service::AuditQueue>(*database_);
  sink_.attach(*audit_queue_, audit_);
  wake_ups_ = std::make_unique<db::WakeUps>(*database_);
  leases_ = std::make_unique<db::Leases>(*database_);
  queue_ = std::make_unique<service::JobQueue>(clock_, keys());

  service::NotificationSettings notify;
  const std::string& success = settings_.text("CERTCTL_NOTIFY_ON_SUCCESS");
  notify.on_success = success == "none" ? service::NotifyOnSuccess::none : success == "all" ? service::NotifyOnSuccess::all : service::NotifyOnSuccess::renewal;
  notify.default_owner_email = settings_.text("CERTCTL_DEFAULT_OWNER_EMAIL");
  notify.public_url = settings_.text("CERTCTL_PUBLIC_URL");
  notifications_ = std::make_unique<service::Notifications>(ground(), notify);
  std::vector<service::EnvironmentChannel> environment;
  if (!settings_.text("CERTCTL_WEBHOOK_URL").empty()) {
    environment.push_back(service::webhook_channel(settings_.text("CERTCTL_WEBHOOK_URL"), settings_.secret("CERTCTL_WEBHOOK_SECRET")));
  }
  channels_ = std::make_unique<service::NotifierChannels>(*plugins_, notifier_services_, std::move(environment));
  channels_->sync(*database_);
  service::NotificationSender::Channels carriers;
  carriers.knows = [this](const domain::NotificationChannel& channel) { return channels_->knows(channel); };
  carriers.instance = [this](const domain::NotificationChannel& channel) { return channels_->instance(channel); };
  sender_ = std::make_unique<service::NotificationSender>(*database_, clock_, std::move(carriers));

  trail_ = std::make_unique<service::AuditTrail>(*database_);
  teams_ = std::make_unique<service::Teams>(ground());
  owners_ = std::make_unique<service::Owners>(ground());
  profiles_ = std::make_unique<service::Profiles>(ground());
  policies_ = std::make_unique<service::RenewalPolicies>(ground(), *plugins_,
                                                         int(settings_.integer("CERTCTL_RENEWAL_JITTER_PERCENT")));
  issuers_ = std::make_unique<service::Issuers>(ground(), *registry_, *cas_);
  targets_ = std::make_unique<service::Targets>(ground(), *plugins_, *sealer_);

  service::AgentSettings fleet;
  agents_ = std::make_unique<service::Agents>(ground(), fleet);
  work_ = std::make_unique<service::AgentWork>(ground(), *agents_, *targets_, *notifications_, *sealer_, fleet);
  certificates_ = std::make_unique<service::Certificates>(ground(), *queue_, keys());
  jobs_ = std::make_unique<service::Jobs>(ground(), *notifications_);
  revocation_ = std::make_unique<service::Revocation>(ground(), *notifications_);
  notices_ = std::make_unique<service::RevocationNotice>(ground(), *registry_);

  service::IssuanceSettings issuing;
  issuing.instance_id = instance_id_;
  issuing.job_lease = settings_.duration("CERTCTL_JOB_LEASE");
  issuing.call_timeout = settings_.duration("CERTCTL_ISSUER_CALL_TIMEOUT");
  issuing.order_max_age = settings_.duration("CERTCTL_ORDER_MAX_AGE");
  issuing.jitter_percent = int(settings_.integer("CERTCTL_RENEWAL_JITTER_PERCENT"));
  issuing.keys = keys();
  issuance_ = std::make_unique<service::Issuance>(ground(), *registry_, *cas_, *sealer_, *queue_, *notifications_, issuing);
  scan_ = std::make_unique<service::RenewalScan>(ground(), *queue_, settings_.flag("CERTCTL_RENEW_EXPIRED"));
  service::UpkeepSettings upkeep;
  upkeep.awaiting_csr_timeout = settings_.duration("CERTCTL_JOB_AWAITING_CSR_TIMEOUT");
  upkeep_ = std::make_unique<service::Upkeep>(ground(), *notifications_, upkeep);

  scheduler::JobRunnerSettings running;
  running.instance_id = instance_id_;
  running.workers = std::size_t(settings_.integer("CERTCTL_RENEWAL_CONCURRENCY"));
  running.lease = issuing.job_lease;
  running.poll = std::min<std::chrono::milliseconds>(milliseconds(settings_.duration("CERTCTL_SCHEDULER_JOB_PROCESSOR_INTERVAL")), 1s);
  runner_ = std::make_unique<scheduler::JobRunner>(*database_, *wake_ups_, *issuance_, *notices_, clock_, running);
  loops_ = std::make_unique<scheduler::Loops>(*database_, *leases_, clock_, loops());
  poll_pool_ = std::make_unique<scheduler::WorkerPool>(4);
  polls_ = std::make_unique<api::WorkPolls>(*wake_ups_);
  agent_routes_.reset(new api::AgentRoutes{
      *agents_, *work_, *issuance_, *polls_,
      [this](const service::Issuance::Accepted& accepted, std::function<void()> done) { runner_->run_now(accepted, std::move(done)); },
      [this](std::function<void()> task) { poll_pool_->post(std::move(task)); }});
  add_routes();

  gate("issuers", "", [&] {
    issuers_->seed([this](const std::string& name) -> std::string {
      if (name == "CERTCTL_CA_CERT_PATH" || name == "CERTCTL_CA_KEY_PATH") return settings_.text(name);
      return {};
    });
  });
}

void Application::Parts::add_routes() {
  api::Meta meta;
  meta.auth_type = settings_.text("CERTCTL_AUTH_TYPE") == "none" ? http::AuthType::none : http::AuthType::api_key;
  meta.database_answers = [this] { return database_->ping(2s); };
  meta.draining = [this] { return draining_.load(); };
  api::add_meta_routes(router_, std::move(meta));
  api::add_team_routes(router_, *teams_);
  api::add_owner_routes(router_, *owners_);
  api::add_profile_routes(router_, *profiles_);
  api::add_renewal_policy_routes(router_, *policies_);
  api::add_issuer_routes(router_, *issuers_);
  api::add_target_routes(router_, *targets_);
  api::add_certificate_routes(router_, *certificates_, *revocation_);
  api::add_job_routes(router_, *jobs_, *work_);
  api::add_agent_routes(router_, *agent_routes_);
  api::add_notification_routes(router_, *notifications_);
  api::add_audit_routes(router_, *trail_);
}

std::vector<scheduler::Loop> Application::Parts::loops() {
  using service::Guard;
  const auto every = [](auto&& work) {
    return [work](const Guard& guard) -> std::optional<Time> {
      work(guard);
      return std::nullopt;
    };
  };
  return {
      {"renewal_scan", settings_.duration("CERTCTL_SCHEDULER_RENEWAL_CHECK_INTERVAL"), [this](const Guard& guard) { return scan_->run(guard).next_due; }},
      {"statuses_by_date", 30s, every([this](const Guard& guard) { scan_->update_statuses(guard); })},
      {"job_timers", std::min<Duration>(settings_.duration("CERTCTL_SCHEDULER_RETRY_INTERVAL"), 1s), every([this](const Guard& guard) {
         upkeep_->promote_waiting_jobs(guard);
         upkeep_->retry_failed_jobs(guard);
       })},
      {"lease_reaper", 15s, every([this](const Guard& guard) { upkeep_->reap_leases(guard); })},
      {"csr_assignment", 10s, every([this](const Guard& guard) { upkeep_->assign_waiting_csr_jobs(guard); })},
      {"csr_timeout", settings_.duration("CERTCTL_JOB_TIMEOUT_INTERVAL"), every([this](const Guard& guard) { upkeep_->reap_awaiting_csr(guard); })},
      {"agent_health", std::min<Duration>(settings_.duration("CERTCTL_SCHEDULER_AGENT_HEALTH_CHECK_INTERVAL"), 1min), every([this](const Guard& guard) {
         upkeep_->mark_silent_agents(guard);
         upkeep_->reap_offline_agents(guard);
       })},
      {"ledger_sweep", 10min, every([this](const Guard& guard) { upkeep_->sweep_ledger(guard); })},
  };
}

void Application::Parts::begin() {
  store::installation::announce(*database_, instance_id_, build_info().version, listener_->addresses().front(), database_->capabilities().to_json());
  runner_->start();
  loops_->start();
  sender_->start(wake_ups_.get());
  listener_->start();
  std::string addresses;
  for (const auto& address : listener_->addresses()) addresses += (addresses.empty() ? "" : ", ") + address;
  log::write(messages::kReady, {{"addresses", addresses}, {"port", listener_->port()}, {"instance", instance_id_}});
}

void Application::Parts::reload() {
  try {
    auto keys = read_api_keys(settings_);
    if (const std::string problem = listener_->reload_tls(); !problem.empty()) return;  // logged there, the old pair stays
    if (settings_.text("CERTCTL_AUTH_TYPE") != "none" && keys.empty()) throw invalid("no API key would be left");
    authenticator_->replace_keys(std::move(keys));
    log::write(messages::kReloaded);
  } catch (const std::exception& e) {
    log::write(messages::kReloadFailed, {{"error", e.what()}});
  }
}

int Application::Parts::wait_for_signal() {
  sigset_t wanted;
  sigemptyset(&wanted);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&wanted, signal);
  for (auto beat = clock_.steady();;) {
    timespec pause{1, 0};
    const int signal = ::sigtimedwait(&wanted, nullptr, &pause);
    if (signal == SIGHUP) reload();
    else if (signal > 0) return signal;
    sink_.flush(false);
    if (clock_.steady() - beat < 5s) continue;
    beat = clock_.steady();
    try {
      store::installation::beat(*database_, instance_id_, false);
    } catch (const Error&) {
      // The database is away; everything that needs it says so.
    }
  }
}

void Application::Parts::end() {
  draining_ = true;
  if (listener_) listener_->begin_drain();
  if (loops_) loops_->stop();
  if (sender_) sender_->stop();
  if (runner_) runner_->stop(settings_.duration("CERTCTL_SHUTDOWN_TIMEOUT"));
  if (listener_) listener_->stop(std::chrono::seconds(settings_.integer("CERTCTL_AUDIT_FLUSH_TIMEOUT_SECONDS")));
  if (poll_pool_) poll_pool_->stop();
  sink_.flush(true);
  if (audit_queue_) audit_queue_->stop();
  polls_.reset();
  wake_ups_.reset();
  leases_.reset();
  if (database_) database_->close();
  if (postgres_) postgres_->stop();
}

Application::Application(const config::Values& settings) : parts_(std::make_unique<Parts>(settings)) {}
Application::~Application() = default;

void Application::start(bool check_only) {
  // Before any thread: they inherit it, and serve() waits for these alone.
  sigset_t blocked;
  sigemptyset(&blocked);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&blocked, signal);
  ::pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
  log::write(messages::kStarting, {{"version", build_info().version}, {"commit", build_info().commit}});
  parts_->check_files();
  parts_->listen();
  parts_->open_database(!check_only);
  if (check_only) {
    parts_->load_plugins();
    parts_->end();
    return;
  }
  parts_->unseal();
  parts_->load_plugins();
  parts_->assemble();
  parts_->begin();
}

int Application::migrate() {
  parts_->check_files();
  parts_->open_database(false);
  const int count = parts_->apply_migrations();
  parts_->end();
  return count;
}

int Application::serve() {
  const int signal = parts_->wait_for_signal();
  log::write(messages::kStopping, {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
  parts_->end();
  log::write(messages::kStopped);
  return 0;
}

}  // namespace certctl::server
