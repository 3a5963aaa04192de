#include "core/server/command_line.hpp"

#include <Poco/Util/HelpFormatter.h>
#include <Poco/Util/Option.h>
#include <Poco/Util/OptionException.h>
#include <Poco/Util/OptionProcessor.h>
#include <Poco/Util/OptionSet.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <vector>

#include "core/base/build_info.hpp"
#include "core/base/error.hpp"
#include "core/server/application.hpp"
#include "core/server/gate.hpp"
#include "core/server/messages.hpp"
#include "core/server/settings.hpp"

extern char** environ;

namespace certctl::server {
namespace {

struct Arguments {
  bool help = false, help_config = false, help_config_markdown = false, version = false, check_config = false, print_config = false;
  std::string config_file;
  std::vector<std::string> set;
  std::string command;
};

Poco::Util::OptionSet options() {
  using Poco::Util::Option;
  Poco::Util::OptionSet set;
  set.addOption(Option("help", "h", "print this text"));
  set.addOption(Option("version", "v", "print version, commit and libraries"));
  set.addOption(Option("help-config", "", "print every setting with default and meaning"));
  set.addOption(Option("help-config-markdown", "", "the same as a Markdown page"));
  set.addOption(Option("config", "c", "read settings from a file").argument("FILE"));
  set.addOption(Option("set", "s", "set one setting").argument("KEY=VALUE").repeatable(true));
  set.addOption(Option("check-config", "", "run all start gates and start nothing"));
  set.addOption(Option("print-config", "", "print the settings in force and where each comes from"));
  return set;
}

/// Throws Poco's option exceptions.
Arguments parse(int argc, char** argv) {
  const auto set = options();
  Poco::Util::OptionProcessor processor(set);
  processor.setUnixStyle(true);
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    std::string name, value;
    if (!processor.process(argv[i], name, value)) {
      if (!arguments.command.empty()) throw Poco::Util::UnexpectedArgumentException(argv[i]);
      arguments.command = argv[i];
      continue;
    }
    if (name == "help") arguments.help = true;
    else if (name == "version") arguments.version = true;
    else if (name == "help-config") arguments.help_config = true;
    else if (name == "help-config-markdown") arguments.help_config_markdown = true;
    else if (name == "config") arguments.config_file = value;
    else if (name == "set") arguments.set.push_back(value);
    else if (name == "check-config") arguments.check_config = true;
    else if (name == "print-config") arguments.print_config = true;
  }
  processor.checkRequired();
  if (!arguments.command.empty() && arguments.command != "migrate") throw Poco::Util::UnknownOptionException(arguments.command);
  return arguments;
}

void usage(std::FILE* to) {
  fmt::print(to,
             "usage: certctl-server [options] [migrate]\n\n"
             "Runs the certctl control plane. Settings come from a file, the environment (CERTCTL_…) and --set.\n\n"
             "  -h, --help              print this text\n"
             "  -v, --version           print version, commit and libraries\n"
             "      --help-config       print every setting with default and meaning\n"
             "  -c, --config FILE       read settings from a file\n"
             "  -s, --set KEY=VALUE     set one setting\n"
             "      --check-config      run all start gates and start nothing\n"
             "      --print-config      print the settings in force and where each comes from\n\n"
             "  migrate                 bring the database to this program's schema and exit\n");
}

void print_version() {
  const auto& info = build_info();
  fmt::print("certctl-server {}\ncommit    {}\nbuilt     {}\ncompiler  {}\n{}\n", info.version, info.commit, info.build_time, info.compiler,
             OpenSSL_version(OPENSSL_VERSION));
}

config::Values read_settings(const Arguments& arguments, std::vector<std::string>& warnings) {
  const auto table = settings_table();
  config::Layers layers;
  if (!arguments.config_file.empty()) layers.add_file(arguments.config_file, table);
  else if (std::filesystem::exists("/etc/certctl/server.conf")) layers.add_file("/etc/certctl/server.conf", table);
  layers.add_environment(environ, table);
  for (const auto& pair : arguments.set) {
    const auto equals = pair.find('=');
    if (equals == std::string::npos) throw invalid(fmt::format("--set {}: expected KEY=VALUE", pair));
    layers.add(pair.substr(0, equals), pair.substr(equals + 1), "--set");
  }
  config::Values values(table, layers);
  warnings = layers.warnings();
  if (values.flag("CERTCTL_CONFIG_STRICT") && !warnings.empty()) throw invalid(warnings.front());
  return values;
}

void report(const GateFailure& failure) {
  fmt::print(stderr, "certctl-server: {}: {}\n", failure.gate(), failure.message());
  if (!failure.hint().empty()) fmt::print(stderr, "  hint: {}\n", failure.hint());
}

int run(const Arguments& arguments) {
  std::vector<std::string> warnings;
  config::Values settings;
  gate("config", "certctl-server --help-config lists every setting", [&] { settings = read_settings(arguments, warnings); });
  if (arguments.print_config) {
    fmt::print("{}", settings.print(settings_table()));
    return 0;
  }
  log::Options logging;
  const std::string& level = settings.text("CERTCTL_LOG_LEVEL");
  logging.level = level == "debug" ? log::Level::debug : level == "warn" ? log::Level::warn : level == "error" ? log::Level::error : log::Level::info;
  logging.format = settings.text("CERTCTL_LOG_FORMAT") == "text" ? log::Format::text : log::Format::json;
  config::scrub_environment(settings_table());
  log::start(logging);
  for (const auto& warning : warnings) log::write(messages::kConfigUnknownKey, {{"detail", warning}});

  Application application(settings);
  if (arguments.command == "migrate") {
    const int count = application.migrate();
    fmt::print("{} migrations applied\n", count);
    return 0;
  }
  application.start(arguments.check_config);
  if (arguments.check_config) {
    fmt::print("all gates pass\n");
    return 0;
  }
  return application.serve();
}

}  // namespace

int run_command(int argc, char** argv) {
  Arguments arguments;
  try {
    arguments = parse(argc, argv);
  } catch (const Poco::Exception& e) {
    fmt::print(stderr, "certctl-server: {}\n\n", e.displayText());
    usage(stderr);
    return 2;
  }
  if (arguments.help) return usage(stdout), 0;
  if (arguments.version) return print_version(), 0;
  if (arguments.help_config) return fmt::print("{}", config::help(settings_table())), 0;
  if (arguments.help_config_markdown) return fmt::print("{}", config::markdown(settings_table())), 0;
  int status = 1;
  try {
    status = run(arguments);
  } catch (const GateFailure& failure) {
    log::write(messages::kGateFailed, {{"gate", failure.gate()}, {"message", failure.message()}, {"hint", failure.hint()}});
    log::stop();
    report(failure);
  } catch (const std::exception& e) {
    log::stop();
    fmt::print(stderr, "certctl-server: {}\n", e.what());
  }
  log::stop();
  return status;
}

}  // namespace certctl::server
