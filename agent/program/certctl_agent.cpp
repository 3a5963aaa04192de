#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <vector>

#include "agent/agent.hpp"
#include "agent/hardening.hpp"
#include "agent/messages.hpp"
#include "core/base/build_info.hpp"
#include "core/base/error.hpp"
#include "core/crypto/library.hpp"

extern char** environ;  // NOLINT: POSIX declares it nowhere

namespace certctl::agent {
namespace {

constexpr int kUsage = 2;

int print_version(const Options& options, const std::shared_ptr<const Clock>& clock) {
  const BuildInfo& build = build_info();
  fmt::print("certctl-agent {} (commit {}, built {}, {}), plugin ABI {}.{}\n", build.version, build.commit,
             build.build_time, build.compiler, CERTCTL_ABI_MAJOR, CERTCTL_ABI_MINOR);
  const plugin::Host host(options.plugin_dirs, clock);
  for (const auto* connector : host.connectors("target")) {
    fmt::print("target {} {} ({})\n", connector->type(), connector->manifest().version, connector->file());
  }
  return 0;
}

void warn_of_settings(const Options& options) {
  if (options.server.insecure) log::write(kInsecure);
  if (options.discovery_dirs_set) log::write(kDiscoveryAbsent);
}

int run(const ParsedFlags& flags) {
  SignalWatch signals;  // before any other thread
  const Options options = read_options(flags, environ);
  const auto clock = std::make_shared<SystemClock>();
  if (options.mode == Mode::version) return print_version(options, clock);
  log::start({.level = options.log_level});
  if (is_retired(options.state_dir)) {
    fmt::print(stderr, "this agent was retired by its control plane: remove {} to enrol again\n",
               (options.state_dir / "retired").string());
    log::stop();
    return 0;
  }
  crypto::reserve_key_memory();
  Ground ground = pass_gates(options, clock);
  warn_of_settings(options);
  Agent agent(options, std::move(ground), *clock);
  switch (options.mode) {
    case Mode::check_config:
      return agent.check();
    case Mode::once:
      return agent.run_once(signals);
    default:
      return agent.run(signals);
  }
}

}  // namespace
}  // namespace certctl::agent

int main(int argc, char** argv) {
  using namespace certctl;
  agent::harden_process();
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const agent::ParsedFlags flags = agent::parse_flags(agent::flag_table(), arguments);
  if (!flags.problem.empty()) fmt::print(stderr, "{}\n", flags.problem);
  if (!flags.problem.empty() || flags.help) {
    fmt::print(stderr, "{}", agent::usage("certctl-agent", agent::flag_table()));
    if (flags.help)
      fmt::print(stderr, "\nSettings, from the environment or the -config file:\n{}",
                 config::help(agent::setting_table()));
    return flags.help ? 0 : agent::kUsage;
  }
  try {
    const int code = agent::run(flags);
    log::stop();
    return code;
  } catch (const std::exception& e) {
    log::stop();
    fmt::print(stderr, "Error: {}\n", e.what());
    return 1;
  }
}
