#include "core/db/cluster_folder.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>

#include "core/base/error.hpp"
#include "core/base/id.hpp"
#include "core/base/text.hpp"
#include "core/db/messages.hpp"

namespace certctl::db {
namespace {

namespace fs = std::filesystem;

constexpr int kOldest = 13;
constexpr int kNewest = 18;
/// sizeof(sockaddr_un::sun_path) less the terminator.
constexpr std::size_t kLongestSocketPath = 107;

std::string reason() { return std::strerror(errno); }

std::optional<struct stat> status_of(const fs::path& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return std::nullopt;
  return status;
}

Account choose_account(const PrivateServerOptions& options) {
  if (::geteuid() != 0) return own_account();
  if (!options.account.empty()) {
    const std::optional<Account> named = find_account(options.account);
    if (!named)
      throw invalid(fmt::format("the account `{}` that is to run PostgreSQL does not exist", options.account));
    if (named->uid == 0) throw invalid("PostgreSQL refuses to run as root; name another account for it");
    return *named;
  }
  if (const auto owner = status_of(options.data_dir / "pg"); owner && owner->st_uid != 0)
    if (const std::optional<Account> account = find_account(owner->st_uid)) return *account;
  for (const char* name : {"certctl", "postgres", "nobody"})
    if (const std::optional<Account> account = find_account(name)) return *account;
  throw invalid("PostgreSQL refuses to run as root and there is no account for it; create the account certctl");
}

/// Every folder above must let the account through: data below /root cannot work.
void require_reachable(const fs::path& path, const Account& account) {
  fs::path walked;
  for (const fs::path& part : path.parent_path()) {
    walked /= part;
    struct stat status {};
    if (::stat(walked.c_str(), &status) != 0)
      throw invalid(fmt::format("the folder {} cannot be read: {}", walked.string(), reason()));
    const mode_t needed = status.st_uid == account.uid ? S_IXUSR : status.st_gid == account.gid ? S_IXGRP : S_IXOTH;
    if ((status.st_mode & needed) == 0)
      throw invalid(
          fmt::format("PostgreSQL runs as `{}`, which cannot enter {}; allow it (chmod o+x {}) or choose "
                      "another data directory",
                      account.name, walked.string(), walked.string()));
  }
}

/// A folder for the account alone.
void make_private_folder(const fs::path& folder, const Account& account) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    throw invalid(fmt::format("the folder {} cannot be made: {}", folder.string(), reason()));
  const auto status = status_of(folder);
  if (!status || !S_ISDIR(status->st_mode)) throw invalid(fmt::format("{} is no folder", folder.string()));
  if (status->st_uid != account.uid && ::lchown(folder.c_str(), account.uid, account.gid) != 0)
    throw invalid(
        fmt::format("the folder {} belongs to another account; give it to `{}`", folder.string(), account.name));
  if (::chmod(folder.c_str(), 0700) != 0)
    throw invalid(fmt::format("the mode of {} cannot be set: {}", folder.string(), reason()));
}

/// Whole or not at all, owned by the account. The folder is the account's, so no link in it is followed.
void write_file(const fs::path& path, std::string_view content, const Account& account) {
  const fs::path fresh = path.string() + "." + new_uuid();
  const int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0) throw invalid(fmt::format("{} cannot be written: {}", path.string(), reason()));
  bool written = ::geteuid() != 0 || ::fchown(file, account.uid, account.gid) == 0;
  while (written && !content.empty()) {
    const ssize_t count = ::write(file, content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    written = count > 0;
    if (written) content.remove_prefix(std::size_t(count));
  }
  written = written && ::fsync(file) == 0;
  const std::string why = reason();
  ::close(file);
  if (!written || ::rename(fresh.c_str(), path.c_str()) != 0) {
    ::unlink(fresh.c_str());
    throw invalid(fmt::format("{} cannot be written: {}", path.string(), why));
  }
}

void sync_folder(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

/// The newest cluster below `folder`; 0: none.
int existing_major(const fs::path& folder) {
  int major = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::optional<std::int64_t> number = parse_integer(entry.path().filename().string());
    if (number && fs::exists(entry.path() / "PG_VERSION")) major = std::max(major, int(*number));
  }
  return major;
}

fs::path usual_programs(int major) { return fmt::format("/usr/lib/postgresql/{}/bin", major); }

int major_of_programs(const fs::path& programs) {
  const Finished version = run_to_end({.arguments = {programs / "postgres", "--version"}});
  const std::size_t digit = version.output.find_first_of("0123456789");
  if (version.status != 0 || digit == std::string::npos)
    throw invalid(fmt::format("{}/postgres does not run; is this PostgreSQL's folder of programs?", programs.string()));
  return std::atoi(version.output.c_str() + digit);
}

/// A crash in the middle of initdb leaves such a folder.
void remove_unfinished(const fs::path& folder) {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    if (entry.path().filename().string().starts_with(".init-")) fs::remove_all(entry.path());
}

void initialise(const ClusterFolder& cluster) {
  const fs::path parent = cluster.data.parent_path();
  const fs::path fresh = parent / (".init-" + new_uuid());
  const Finished made = run_to_end(
      {.arguments = {cluster.programs / "initdb", "-D", fresh, "-U", "certctl", "-E", "UTF8", "--locale=C.UTF-8",
                     "--data-checksums", "--auth-local=peer", "--auth-host=reject", "--no-instructions"},
       .folder = parent,
       .account = cluster.account});
  if (made.status != 0) {
    fs::remove_all(fresh);
    throw invalid(fmt::format("the private PostgreSQL could not be made in {}: {}", parent.string(),
                              shorten(printable(trim(made.output)), 1000)));
  }
  std::ifstream original(fresh / "postgresql.conf");
  std::string settings((std::istreambuf_iterator<char>(original)), {});
  write_file(fresh / "postgresql.conf", settings + "\ninclude 'certctl.conf'\n", cluster.account);
  write_file(fresh / "certctl.conf", "", cluster.account);
  write_file(fresh / "pg_hba.conf",
             "# Written by certctl: unix socket only, see pg_ident.conf.\nlocal all certctl peer map=certctl\n",
             cluster.account);
  fs::rename(fresh, cluster.data);
  sync_folder(parent);
  log::write(kPgInitialised, {{"folder", cluster.data.string()}});
}

std::string setting_value(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += c;
    out += c;
  }
  return out + "'";
}

}  // namespace

ClusterFolder ClusterFolder::prepare(const PrivateServerOptions& options) {
  ClusterFolder cluster;
  cluster.account = choose_account(options);
  const fs::path data_dir = fs::absolute(options.data_dir).lexically_normal();
  const fs::path runtime_dir = fs::absolute(options.runtime_dir).lexically_normal();
  std::error_code failure;
  for (const fs::path& folder : {data_dir, runtime_dir})
    if (fs::create_directories(folder, failure); failure)
      throw invalid(fmt::format("the folder {} cannot be made: {}", folder.string(), failure.message()));

  const fs::path parent = data_dir / "pg";
  cluster.socket = runtime_dir / "pg";
  if ((cluster.socket / ".s.PGSQL.5432").string().size() > kLongestSocketPath)
    throw invalid(fmt::format("the runtime directory {} is too long for a unix socket; choose one of at most 80 bytes",
                              runtime_dir.string()));
  require_reachable(parent, cluster.account);
  require_reachable(cluster.socket, cluster.account);
  make_private_folder(parent, cluster.account);
  make_private_folder(cluster.socket, cluster.account);

  int major = existing_major(parent);
  const bool is_new = major == 0;
  if (is_new && options.bindir.empty())
    for (int candidate = kNewest; candidate >= kOldest && major == 0; --candidate)
      if (fs::exists(usual_programs(candidate) / "initdb")) major = candidate;
  cluster.programs = options.bindir.empty() ? usual_programs(major) : options.bindir;
  if (!fs::exists(cluster.programs / "postgres"))
    throw invalid(is_new
                      ? "no PostgreSQL is installed; install the package postgresql-15, or set CERTCTL_DATABASE_URL to "
                        "use a database elsewhere"
                      : fmt::format("the database in {} is of PostgreSQL {}, whose programs are missing; install the "
                                    "package postgresql-{}",
                                    parent.string(), major, major));
  if (!options.bindir.empty()) {
    const int found = major_of_programs(cluster.programs);
    if (!is_new && found != major)
      throw invalid(fmt::format("the database in {} is of PostgreSQL {}, but {} holds PostgreSQL {}", parent.string(),
                                major, cluster.programs.string(), found));
    major = found;
  }
  cluster.data = parent / std::to_string(major);
  remove_unfinished(parent);
  if (is_new) initialise(cluster);
  return cluster;
}

void ClusterFolder::write_settings(const PrivateServerOptions& options) const {
  std::map<std::string, std::string> settings = {{"listen_addresses", ""},
                                                 {"unix_socket_directories", socket.string()},
                                                 {"unix_socket_permissions", "0700"},
                                                 {"jit", "off"},
                                                 {"shared_buffers", options.shared_buffers},
                                                 {"max_connections", std::to_string(options.max_connections)},
                                                 {"wal_compression", "on"},
                                                 {"max_wal_size", "2GB"},
                                                 {"fsync", "on"},
                                                 {"synchronous_commit", "on"},
                                                 {"full_page_writes", "on"},
                                                 {"log_destination", "stderr"},
                                                 {"logging_collector", "off"},
                                                 {"log_checkpoints", "off"},
                                                 {"log_line_prefix", "%p "},
                                                 {"lc_messages", "C"},
                                                 {"cluster_name", "certctl"}};
  for (const auto& [name, value] : options.extra) settings[name] = value;
  std::string text = "# Written by certctl at each start; changes are lost.\n";
  for (const auto& [name, value] : settings) text += fmt::format("{} = {}\n", name, setting_value(value));
  write_file(data / "certctl.conf", text, account);

  // Peer authentication compares names: without the map, login fails where account and role differ.
  std::set<std::string> names = {account.name, own_account().name};
  names.insert(options.client_accounts.begin(), options.client_accounts.end());
  std::string map = "# Written by certctl at each start: accounts that may act as role certctl.\n";
  for (const std::string& name : names) map += fmt::format("certctl \"{}\" certctl\n", name);
  write_file(data / "pg_ident.conf", map, account);
}

std::optional<PostmasterFile> read_postmaster_file(const fs::path& data) {
  std::ifstream file(data / "postmaster.pid");
  PostmasterFile found;
  std::string folder;
  if (!(file >> found.process) || !std::getline(file >> std::ws, folder)) return std::nullopt;
  found.data = folder;
  return found;
}

std::vector<int> processes_of(const fs::path& data) {
  std::vector<int> found;
  std::error_code ignored;
  const fs::path folder = fs::weakly_canonical(data, ignored);
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc", ignored)) {
    const std::optional<std::int64_t> process = parse_integer(entry.path().filename().string());
    if (!process) continue;
    if (fs::read_symlink(entry.path() / "cwd", ignored) == folder) found.push_back(int(*process));
  }
  return found;
}

}  // namespace certctl::db
