#include "agent/options.hpp"

#include <catch2/catch.hpp>
#include <set>

#include "agent/agent_test_support.hpp"
#include "agent/files.hpp"
#include "core/base/error.hpp"

namespace certctl::agent {
namespace {

using Words = std::vector<std::string>;

ParsedFlags parsed(const Words& words) { return parse_flags(flag_table(), words); }

Options options(const Words& words, Words environment = {}) {
  std::vector<char*> pointers;
  for (auto& pair : environment) pointers.push_back(pair.data());
  pointers.push_back(nullptr);
  return read_options(parsed(words), pointers.data());
}

std::string refusal(const Words& words, Words environment = {}) {
  try {
    options(words, std::move(environment));
    return {};
  } catch (const Error& e) {
    return e.what();
  }
}

std::string url_refusal(const std::string& url) {
  try {
    check_server_url(url);
    return {};
  } catch (const Error& e) {
    return e.what();
  }
}

using Catch::Matchers::Contains;

TEST_CASE("Flags are read in all four spellings of Go") {
  for (const Words& words : {Words{"-name", "a1"}, Words{"--name", "a1"}, Words{"-name=a1"}, Words{"--name=a1"}}) {
    CHECK(parsed(words).values.at("name") == "a1");
  }
}

TEST_CASE("A boolean flag takes a value only behind an equals sign") {
  CHECK(parsed({"-once"}).values.at("once") == "true");
  CHECK(parsed({"-once=F"}).values.at("once") == "false");
  CHECK(parsed({"-once", "false"}).problem == "unexpected argument: false");
}

TEST_CASE("Bad command lines are refused in Go's words") {
  CHECK(parsed({"-nope"}).problem == "flag provided but not defined: -nope");
  CHECK(parsed({"-name"}).problem == "flag needs an argument: -name");
  CHECK(parsed({"-once=yes"}).problem == "invalid boolean value \"yes\" for -once: parse error");
  CHECK(parsed({"---name"}).problem == "bad flag syntax: ---name");
  CHECK(parsed({"-=x"}).problem == "bad flag syntax: -=x");
  CHECK(parsed({"word"}).problem == "unexpected argument: word");
  CHECK(parsed({"--", "word"}).problem == "unexpected argument: word");
}

TEST_CASE("Help is asked for with -h and -help") {
  CHECK(parsed({"-h"}).help);
  CHECK(parsed({"--help"}).help);
}

TEST_CASE("Without settings the defaults of upstream hold") {
  const Options found = options({});
  CHECK(found.server.url == "https://localhost:8443");
  CHECK(found.name == "certctl-agent");
  CHECK(found.chosen_name.empty());
  CHECK(found.key_dir == "/var/lib/certctl/keys");
  CHECK(found.state_dir == "/var/lib/certctl");
  CHECK(found.heartbeat_interval == std::chrono::seconds(60));
  CHECK(found.poll_interval == std::chrono::seconds(30));
  CHECK(found.deploy_concurrency == 4);
  CHECK(found.key_retention == 3);
  CHECK(found.server.tls13_only);
  CHECK_FALSE(found.server.insecure);
  CHECK_FALSE(found.deploy.verify.has_value());
}

TEST_CASE("A flag wins over the environment, and that over the file") {
  const TemporaryFolder folder;
  write_durably(folder / "agent.env",
                "CERTCTL_AGENT_ID=from-file\nCERTCTL_AGENT_NAME=from-file\nCERTCTL_SERVER_URL=https://from-file\n");
  const Options found = options({"-config", (folder / "agent.env").string(), "-agent-id", "from-flag"},
                                {"CERTCTL_AGENT_ID=from-environment", "CERTCTL_AGENT_NAME=from-environment"});
  CHECK(found.agent_id == "from-flag");
  CHECK(found.name == "from-environment");
  CHECK(found.server.url == "https://from-file");
}

TEST_CASE("An environment variable with the empty string counts as unset") {
  CHECK(options({}, {"CERTCTL_SERVER_URL="}).server.url == "https://localhost:8443");
}

TEST_CASE("A trailing slash of the server URL is dropped") {
  CHECK(options({"-server", "https://cp.example/prefix//"}).server.url == "https://cp.example/prefix");
}

TEST_CASE("An API key comes from a private file") {
  const TemporaryFolder folder;
  write_durably(folder / "key", "secret-key\n");
  const Options found = options({"-api-key-file", (folder / "key").string()}, {"CERTCTL_API_KEY=weaker"});
  CHECK(found.api_key.use([](std::string_view text) { return std::string(text); }) == "secret-key");
  CHECK(found.api_key_file == (folder / "key").string());
}

TEST_CASE("A key file that others may read is refused") {
  const TemporaryFolder folder;
  write_durably(folder / "key", "secret-key\n", 0644);
  CHECK_THAT(refusal({"-api-key-file", (folder / "key").string()}), Contains("chmod 0600"));
}

TEST_CASE("systemd's credential is the key when nothing else is said") {
  const TemporaryFolder folder;
  write_durably(folder / "api-key", "from-systemd");
  const Options found = options({}, {"CREDENTIALS_DIRECTORY=" + folder.path().string()});
  CHECK(found.api_key.use([](std::string_view text) { return std::string(text); }) == "from-systemd");
}

TEST_CASE("Malformed settings are refused with the name of the variable") {
  CHECK_THAT(refusal({}, {"CERTCTL_SERVER_TLS_INSECURE_SKIP_VERIFY=maybe"}),
             Contains("CERTCTL_SERVER_TLS_INSECURE_SKIP_VERIFY"));
  CHECK_THAT(refusal({}, {"CERTCTL_HEARTBEAT_INTERVAL=1s"}), Contains("CERTCTL_HEARTBEAT_INTERVAL"));
  CHECK_THAT(refusal({}, {"CERTCTL_POLL_INTERVAL=30"}), Contains("a duration needs a unit"));
  CHECK_THAT(refusal({}, {"CERTCTL_AGENT_TLS_MIN_VERSION=1.1"}), Contains("CERTCTL_AGENT_TLS_MIN_VERSION"));
  CHECK_THAT(refusal({}, {"CERTCTL_LOG_LEVEL=loud"}), Contains("CERTCTL_LOG_LEVEL"));
}

TEST_CASE("Upstream's spellings of switches and levels are understood") {
  CHECK(options({}, {"CERTCTL_SERVER_TLS_INSECURE_SKIP_VERIFY= ON "}).server.insecure);
  CHECK(options({}, {"CERTCTL_LOG_LEVEL=DEBUG"}).log_level == log::Level::debug);
  CHECK(options({}, {"CERTCTL_KEYGEN_MODE=agent"}).name == "certctl-agent");
}

TEST_CASE("Deployment defaults are known only when somebody set them") {
  const Options found = options({}, {"CERTCTL_VERIFY_DEPLOYMENT=false", "CERTCTL_VERIFY_DELAY=200ms"});
  CHECK(found.deploy.verify == false);
  CHECK(found.deploy.verify_delay == std::chrono::milliseconds(200));
  CHECK_FALSE(found.deploy.verify_timeout.has_value());
}

TEST_CASE("Each wrong server URL has its own text that names the variable and the value") {
  CHECK(url_refusal("https://cp.example:8443/prefix").empty());
  CHECK(url_refusal("HTTPS://cp.example").empty());
  std::set<std::string> kinds;
  for (const std::string url : {"", "https://exa mple", "http://cp.example", "cp.example", "ftp://cp.example"}) {
    const std::string text = url_refusal(url);
    CHECK_THAT(text, Contains("CERTCTL_SERVER_URL") && Contains("\"" + url + "\""));
    kinds.insert(text);
  }
  CHECK(kinds.size() == 5);
  CHECK_THAT(url_refusal("http://cp.example"), Contains("HTTPS-only"));
}

TEST_CASE("The proxy of the environment is used unless the server is excepted") {
  const auto proxy = [](Words environment) {
    return options({"-server", "https://cp.example.org:8443"}, std::move(environment)).server.proxy_url;
  };
  CHECK(proxy({}).empty());
  CHECK(proxy({"HTTPS_PROXY=proxy:3128"}) == "http://proxy:3128");
  CHECK(proxy({"HTTPS_PROXY=upper:1", "https_proxy=http://lower:2"}) == "http://lower:2");
  CHECK(proxy({"HTTPS_PROXY=proxy:3128", "NO_PROXY=localhost, .example.org"}).empty());
  CHECK(proxy({"HTTPS_PROXY=proxy:3128", "NO_PROXY=example.com"}) == "http://proxy:3128");
  CHECK(proxy({"HTTPS_PROXY=proxy:3128", "NO_PROXY=*"}).empty());
}

TEST_CASE("The usage lists every flag") {
  const std::string text = usage("certctl-agent", flag_table());
  CHECK_THAT(text, Contains("Usage of certctl-agent:\n  -agent-id string\n    \t"));
  for (const auto& flag : flag_table()) CHECK_THAT(text, Contains(std::string("  -") + flag.name));
}

}  // namespace
}  // namespace certctl::agent
