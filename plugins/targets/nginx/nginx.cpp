#include <certctl/plugin.hpp>

#include <algorithm>
#include <filesystem>

#include "plugins/common/file_target.hpp"
#include "plugins/common/openssl.hpp"
#include "server_config.hpp"

namespace certctl::nginx {
namespace {

using common::PlannedFile;
using common::Role;

common::FileTargetFacts facts() {
  const std::vector<std::string> accounts = {"nginx", "www-data"};
  return {.type = "NGINX",
          .deployment_id = "nginx",
          .validate_command = "nginx -t",
          .reload_command = "nginx -s reload",
          .validate_stem = "nginx -t failed",
          .reload_stem = "nginx -s reload failed",
          .default_port = 443,
          .certificate_defaults = {0644, accounts, accounts},
          .key_defaults = {0640, accounts, accounts}};
}

std::string real(const std::string& path) {
  std::error_code error;
  const auto found = std::filesystem::weakly_canonical(path, error);
  return error ? path : found.string();
}

}  // namespace

/// nginx reads certificate files at start and reload. It knows no separate chain: ssl_certificate must hold the leaf,
/// then the intermediates.
class NginxTarget final : public common::FileTarget {
 public:
  explicit NginxTarget(Call& call)
      : FileTarget(call, nginx::facts()),
        cert_path_(call.setting("/cert_path")),
        key_path_(call.setting("/key_path")),
        chain_path_(call.setting("/chain_path")),
        full_chain_(call.setting("/cert_content") != "leaf") {
    if (cert_path_.empty()) throw invalid_config("NGINX cert_path is required", "/cert_path");
  }

  static void init() { common::library_context(); }

  static Status validate(Call& call) {
    if (call.setting("/cert_path").empty()) {
      call.finding(Severity::bad, "NGINX cert_path is required", "/cert_path");
    }
    common::validate_file_settings(call, {"cert_path", "key_path", "chain_path"});
    return call.done();
  }

 protected:
  std::vector<PlannedFile> files(const common::Material& material) const override {
    using common::SecretText;
    std::vector<PlannedFile> files;
    files.push_back({cert_path_, SecretText::copy_of(full_chain_ ? material.leaf + material.chain : material.leaf),
                     Role::cert, wish("cert"), facts().certificate_defaults});
    if (!chain_path_.empty()) {
      files.push_back({chain_path_, SecretText::copy_of(material.chain), Role::chain, wish("chain"),
                       facts().certificate_defaults});
    }
    if (!key_path_.empty()) {
      if (material.key_original.empty()) throw invalid_request("private key is required for NGINX with a key_path");
      files.push_back({key_path_, material.key_original.clone(), Role::key, wish("key"), facts().key_defaults});
    }
    return files;
  }

  std::string certificate_path() const override { return cert_path_; }

  std::vector<std::string> paths() const override {
    std::vector<std::string> all = {cert_path_, key_path_, chain_path_};
    std::erase(all, std::string());
    return all;
  }

  /// The one server of `nginx -T` that uses the certificate file.
  std::optional<common::ServedAt> find_endpoint(const Call& call) const override {
    const std::string dump = configuration(call);
    const std::string wanted = real(cert_path_);
    std::vector<TlsServer> users;
    for (TlsServer& server : tls_servers(parse_dump(dump), config_folder(dump))) {
      const bool uses =
          std::ranges::any_of(server.certificates, [&](const std::string& path) { return real(path) == wanted; });
      if (uses) users.push_back(std::move(server));
    }
    if (users.size() != 1) return std::nullopt;
    const TlsServer& server = users.front();
    return common::ServedAt{server.listens.front(), server.names.empty() ? std::string() : server.names.front()};
  }

 private:
  /// The whole configuration as nginx reads it: the validate command with -T for -t. Empty: it cannot be had.
  std::string configuration(const Call& call) const {
    constexpr std::size_t kMaxDump = 4 * 1024 * 1024;
    if (!validate_command()) return {};
    common::Command command = *validate_command();
    const bool is_nginx = std::filesystem::path(command.arguments.front()).filename() == "nginx";
    const auto flag = std::ranges::find(command.arguments, "-t");
    if (!is_nginx || flag == command.arguments.end()) return {};
    *flag = "-T";
    try {
      const auto result = common::LocalRunner(kMaxDump).run({command, {}, validate_timeout(), {}});
      if (result.succeeded()) return result.output;
      call.debug("NGINX_DUMP_FAILED", result.reason());
    } catch (const Error& error) {
      call.debug("NGINX_DUMP_FAILED", error.what());
    }
    return {};
  }

  std::string cert_path_;
  std::string key_path_;
  std::string chain_path_;
  bool full_chain_;
};

}  // namespace certctl::nginx

CERTCTL_PLUGIN(certctl::nginx::NginxTarget)
