#include "agent/gates.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "agent/files.hpp"
#include "agent/identity.hpp"
#include "agent/messages.hpp"
#include "core/base/text.hpp"
#include "core/crypto/certificate.hpp"

namespace certctl::agent {
namespace fs = std::filesystem;
namespace {

/// A credential and a way to an id must be there; a stored identity or a bootstrap token can stand for either.
void check_credentials(const Options& options) {
  const bool stored = IdentityStore(options.state_dir).stored();
  if (options.api_key.empty() && options.bootstrap_token.empty() && !stored) {
    throw invalid(
        "API key is required: set -api-key or CERTCTL_API_KEY (or CERTCTL_API_KEY_FILE, or "
        "CERTCTL_AGENT_BOOTSTRAP_TOKEN for the first start)");
  }
  if (!options.agent_id.empty() && (!is_valid_agent_id(options.agent_id))) {
    throw invalid(
        fmt::format("agent id \"{}\" is not valid: -agent-id or CERTCTL_AGENT_ID must be 1 to 128 letters, digits, "
                    "dots, underscores and dashes, as POST /api/v1/agents gives it",
                    printable(shorten(options.agent_id, 160))));
  }
}

void check_plugins(const plugin::Host& host, const Options& options) {
  for (const auto& refusal : host.refusals()) {
    if (fs::path(refusal.file).parent_path().filename() != "targets") continue;
    throw invalid(fmt::format("target plugin {} cannot be used: {}", refusal.file, refusal.reason));
  }
  std::vector<std::string> types;
  for (const auto* connector : host.connectors("target")) types.push_back(connector->type());
  if (types.empty())
    log::write(kNoPlugins, {{"folders", join(options.plugin_dirs, ":")}});
  else
    log::write(kPlugins, {{"target_types", join(types, ",")}});
}

bool is_writable_by_us(const fs::path& path) { return ::access(path.c_str(), W_OK | X_OK) == 0; }

}  // namespace

InstanceLock::InstanceLock(const fs::path& state_dir) {
  const fs::path path = state_dir / "agent.lock";
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor_ < 0) throw FileError("open", path, errno);
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  const int number = errno;
  ::close(descriptor_);
  if (number != EWOULDBLOCK) throw FileError("lock", path, number);
  throw conflict(
      fmt::format("another agent runs with the state directory {}: stop it, or give this one its own -state-dir",
                  state_dir.string()));
}

InstanceLock::~InstanceLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool is_retired(const fs::path& state_dir) {
  std::error_code failure;
  return fs::exists(state_dir / "retired", failure);
}

void check_ca_bundle(const std::string& path) {
  if (path.empty()) return;
  std::string text;
  try {
    text = read_file(path).value_or("");
    if (text.empty() && ::access(path.c_str(), R_OK) != 0) throw FileError("open", path, errno);
  } catch (const FileError& e) {
    throw invalid(fmt::format("CA bundle {} cannot be read: {}; correct -ca-bundle or CERTCTL_SERVER_CA_BUNDLE_PATH",
                              path, std::strerror(e.number())));
  }
  try {
    crypto::parse_pem_certificates(text);
  } catch (const Error& e) {
    throw invalid(fmt::format(
        "CA bundle {} holds no usable PEM certificate: {}; correct -ca-bundle or CERTCTL_SERVER_CA_BUNDLE_PATH", path,
        e.what()));
  }
}

fs::path ready_key_folder(const fs::path& key_dir) {
  const fs::path path = key_dir.lexically_normal();
  if (path.empty() || path == "." || path == "/" || path == "./") {
    throw invalid(fmt::format(
        "key directory \"{}\" is refused: give -key-dir or CERTCTL_KEY_DIR a directory of its own", key_dir.string()));
  }
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && !S_ISDIR(status.st_mode)) {
    throw invalid(
        fmt::format("key directory {} is not a directory: correct -key-dir or CERTCTL_KEY_DIR", path.string()));
  }
  const bool foreign = ::stat(path.c_str(), &status) == 0 && status.st_uid != ::geteuid();
  if (!foreign) {
    make_private_folder(path);
    return path;
  }
  if (!is_writable_by_us(path)) {
    throw invalid(fmt::format("key directory {} belongs to user {} and is not writable: chown {} {}", path.string(),
                              status.st_uid, ::geteuid(), path.string()));
  }
  // A Kubernetes emptyDir with fsGroup: root's, 02777, and not ours to change.
  const fs::path own = path / "agent";
  make_private_folder(own);
  if (::stat(own.c_str(), &status) != 0 || status.st_uid != ::geteuid()) {
    throw invalid(fmt::format("key directory {} belongs to another user: remove it, or chown {} {}", own.string(),
                              ::geteuid(), own.string()));
  }
  log::write(kKeyFolderShared, {{"path", path.string()}, {"used", own.string()}});
  return own;
}

Ground pass_gates(const Options& options, std::shared_ptr<const Clock> clock) {
  check_credentials(options);
  check_server_url(options.server.url);
  check_ca_bundle(options.server.ca_bundle_path);
  Ground ground;
  ground.key_dir = ready_key_folder(options.key_dir);
  make_private_folder(options.state_dir);
  if (options.mode != Mode::check_config) ground.lock = std::make_unique<InstanceLock>(options.state_dir);
  ground.plugins = std::make_shared<plugin::Host>(options.plugin_dirs, std::move(clock));
  check_plugins(*ground.plugins, options);
  return ground;
}

}  // namespace certctl::agent
