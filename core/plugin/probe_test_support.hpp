#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/plugin/host.hpp"

/// The test plugins of core/plugin/testdata, loaded.
namespace certctl::plugin {

/// Runs every service by a fixed answer; a process counts as an effect.
class FakeServices final : public Services {
 public:
  bool offers(std::uint32_t) const override { return true; }
  ServiceAnswer run(const ServiceRequest& request) override {
    ServiceAnswer answer;
    if (request.service == CERTCTL_RANDOM_FILL) answer.out.add(CERTCTL_KEY_RANDOM_BYTES, "12345678");
    if (request.service == CERTCTL_PROCESS_RUN) answer.out.add_int(CERTCTL_KEY_PROCESS_EXIT, 0);
    answer.effect = request.service == CERTCTL_PROCESS_RUN;
    return answer;
  }
};

inline std::filesystem::path scratch_folder() {
  return std::filesystem::path(CERTCTL_PROBE_PLUGIN_DIR).parent_path() / "test_plugins_scratch";
}

/// A file `targets/<name>` in a folder of its own; returns that folder.
inline std::string write_target_file(const std::string& name, const std::string& content) {
  const auto folder = scratch_folder() / name;
  std::filesystem::create_directories(folder / "targets");
  std::ofstream(folder / "targets" / name) << content;
  return folder.string();
}

struct ProbeHost {
  explicit ProbeHost(std::vector<std::string> folders = {CERTCTL_PROBE_PLUGIN_DIR})
      : host(std::move(folders), std::make_shared<SystemClock>(), std::chrono::milliseconds(100)) {}

  std::shared_ptr<Instance> make(std::string_view config, std::shared_ptr<Services> services = nullptr) {
    return host.get("issuer", "Probe").create({"iss-probe", json::raw(config), std::move(services), {}});
  }
  Outcome issue(const std::string& behaviour, std::shared_ptr<Services> services = nullptr, Call call = {}) {
    if (!call.checkpoint) {
      call.checkpoint = [this](std::span<const std::uint8_t> bytes) {
        checkpoints.emplace_back(as_text(bytes));
        return true;
      };
    }
    return make(R"({"behaviour": ")" + behaviour + "\"}", std::move(services))->call("issue", std::move(call));
  }

  Host host;
  std::vector<std::string> checkpoints;
};

}  // namespace certctl::plugin
