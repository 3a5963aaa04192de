#pragma once

#include <fmt/format.h>
#include <sys/stat.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <csignal>

#include "agent/agent_test_support.hpp"
#include "agent/files.hpp"
#include "agent/integration/stand_in.hpp"
#include "core/crypto/certificate.hpp"
#include "test/support/process.hpp"

namespace certctl::agent::test {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using certctl::test::built_plugins;
using certctl::test::built_program;
using certctl::test::Process;

/// A stand-in control plane, a machine to deploy to (files, and a reload command that counts), and the real agent.
class Scene {
 public:
  explicit Scene(StandIn::Options options = {}) : control_plane(folder.path(), options) {
    fs::create_directory(folder / "site");
    write_durably(folder / "reload", fmt::format("#!/bin/sh\necho reload >> {}\n", (folder / "reloads").string()),
                  0700);
  }

  std::map<std::string, std::string> environment() const {
    return {{"CERTCTL_SERVER_URL", control_plane.url()},
            {"CERTCTL_SERVER_CA_BUNDLE_PATH", control_plane.ca_bundle()},
            {"CERTCTL_API_KEY", StandIn::kKey},
            {"CERTCTL_AGENT_ID", StandIn::kAgent},
            {"CERTCTL_KEY_DIR", (folder / "state/keys").string()},
            {"CERTCTL_PLUGIN_DIR", built_plugins()},
            {"CERTCTL_POLL_INTERVAL", "1s"},
            {"CERTCTL_LOG_LEVEL", "debug"}};
  }

  Process start(std::map<std::string, std::string> more = {}, std::vector<std::string> arguments = {}) const {
    for (const auto& [name, value] : environment()) more.emplace(name, value);
    std::erase_if(more, [](const auto& pair) { return pair.second.empty(); });
    return Process(built_program("certctl-agent"), std::move(arguments), std::move(more), folder / "agent.log");
  }

  fs::path certificate_file(const std::string& id) const { return folder / ("site/" + id + ".crt"); }
  fs::path key_file(const std::string& id) const { return folder / ("site/" + id + ".key"); }
  fs::path state() const { return folder / "state"; }

  StandIn::Order order(const std::string& id) const {
    StandIn::Order out;
    out.certificate_id = id;
    out.names = {"web.example", "www.web.example", "192.0.2.7"};
    out.target_id = "tgt-" + id;
    out.target_config = fmt::format(
        R"({{"cert_path":"{}","key_path":"{}","validate_command":"/bin/true","reload_command":"{}","post_deploy_verify":{{"enabled":false}}}})",
        certificate_file(id).string(), key_file(id).string(), (folder / "reload").string());
    return out;
  }

  std::size_t reloads() const {
    const std::string text = read_file(folder / "reloads").value_or("");
    return std::size_t(std::count(text.begin(), text.end(), '\n'));
  }

  bool wait_deployed(const std::string& id, std::chrono::milliseconds limit = 60s) const {
    return control_plane.wait([&] { return control_plane.job_status(control_plane.deployment_of(id)) == "Completed"; },
                              limit);
  }

  /// The files on disk are the newest version and its key.
  void check_installed(const std::string& id) const {
    const auto versions = control_plane.versions(id);
    REQUIRE_FALSE(versions.empty());
    const auto leaf = crypto::Certificate::from_pem(read_file(certificate_file(id)).value_or(""));
    CHECK(leaf.fingerprint_sha256() == versions.back().fingerprint);
    const auto key = crypto::PrivateKey::from_pem(read_file(key_file(id)).value_or(""));
    CHECK(key.matches(leaf.public_key()));
  }

  std::string log() const { return read_file(folder / "agent.log").value_or(""); }

  TemporaryFolder folder;
  StandIn control_plane;
};

}  // namespace certctl::agent::test
