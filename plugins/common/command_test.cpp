#include "plugins/common/command.hpp"

#include <catch2/catch.hpp>

#include "plugins/common/common_test_support.hpp"
#include "plugins/common/settings.hpp"

using namespace certctl;
using namespace certctl::common;
using namespace std::chrono_literals;

namespace {

ProcessResult run_local(const std::string& text, std::chrono::milliseconds timeout = 10s, Pairs environment = {}) {
  return LocalRunner().run({parse_command("c", text), std::move(environment), timeout, {}});
}

}  // namespace

TEST_CASE("a command with shell syntax is refused in upstream's words") {
  CHECK(command_fault("").starts_with("command cannot be empty"));
  CHECK(command_fault(std::string(1025, 'a')) == "command exceeds maximum length (1024 characters)");
  CHECK(command_fault("nginx -t; rm") == "command contains shell metacharacter \";\" (potential injection)");
  CHECK(command_fault("a | b; c") == "command contains shell metacharacter \";\" (potential injection)");
  for (const auto bad :
       {"a|b", "a&b", "a$b", "a`b", "a(b", "a)b", "a{b", "a}b", "a<b", "a>b", "a\\b", "a\"b", "a'b", "a\nb", "a\rb"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(parse_command("reload_command", bad), Error);
  }
  CHECK_FALSE(command_fault(std::string_view("a\0b", 3)).empty());
  CHECK(command_fault("systemctl reload nginx").empty());
  CHECK(has_glob("rm *"));
}

TEST_CASE("a command is split at blanks and leading assignments become its environment") {
  const Command command = parse_command("c", "  A=1 B2=x  /bin/echo  C=3 -t ");
  CHECK(command.environment == Pairs{{"A", "1"}, {"B2", "x"}});
  CHECK(command.arguments == std::vector<std::string>{"/bin/echo", "C=3", "-t"});
  CHECK_THROWS_AS(parse_command("c", "A=1"), Error);
}

TEST_CASE("a program sees only the environment that was given to it") {
  ::setenv("CERTCTL_API_KEY", "must-not-leak", 1);
  const auto result = run_local("X=1 env", 10s, {{"CERTCTL_PHASE", "deploy"}});
  ::unsetenv("CERTCTL_API_KEY");
  REQUIRE(result.succeeded());
  CHECK_THAT(result.output, Catch::Contains("PATH=" + std::string(kCommandPath)) &&
                                Catch::Contains("CERTCTL_PHASE=deploy") && Catch::Contains("X=1") &&
                                !Catch::Contains("must-not-leak"));
}

TEST_CASE("exit statuses, signals and time-outs are told apart") {
  const TestFolder folder;
  CHECK(run_local("false").reason() == "exit status 1");
  const auto killer = folder.write("kill.sh", "#!/bin/sh\nkill -9 $$\n", 0700);
  CHECK(run_local(killer).reason() == "killed by signal 9");
  const auto slow = folder.write("slow.sh", "#!/bin/sh\nsleep 60 &\nwait\n", 0700);
  const auto result = run_local(slow, 300ms);
  CHECK(result.timed_out);
  CHECK(failure_text("nginx -t failed", result, 300ms).starts_with("nginx -t failed: timed out after "));
  CHECK_THROWS_WITH(run_local("no-such-program-here"), Catch::Contains("program not found"));
}

TEST_CASE("output is cut in the middle and private keys never show") {
  const std::string key = "-----BEGIN EC PRIVATE KEY-----\nc2VjcmV0\n-----END EC PRIVATE KEY-----\nafter";
  CHECK(presentable_output("before " + key, 200) == "before [private key removed] after");
  CHECK(presentable_output("x-----BEGIN PRIVATE KEY-----\nc2VjcmV0", 200) == "x[private key removed]");
  CHECK(presentable_output("-----BEGIN CERTIFICATE-----\nA", 200) == "-----BEGIN CERTIFICATE----- A");
  CHECK(presentable_output("a\x1b[31m", 200) == "a\\x1b[31m");
  const std::string cut = presentable_output(std::string(500, 'a') + std::string(500, 'b'), 100);
  CHECK(cut.starts_with("aaaa"));
  CHECK(cut.ends_with("bbbb"));
  CHECK(cut.size() < 120);
}

TEST_CASE("modes are octal with a leading zero and decimal without") {
  CHECK(parse_mode("m", "0640") == 0640);
  CHECK(parse_mode("m", "0o600") == 0600);
  CHECK(parse_mode("m", "416") == 0640);
  CHECK_THROWS_WITH(parse_mode("cert_file_mode", "644"), "cert_file_mode 644 is not an octal mode; write \"0644\"");
  for (const auto bad : {"01777", "x", "", "-1", "0999"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(parse_mode("m", bad), Error);
  }
}

TEST_CASE("durations are nanoseconds or carry units") {
  CHECK(parse_duration("d", "10000000000") == 10s);
  CHECK(parse_duration("d", "1m30s") == 90s);
  CHECK(parse_duration("d", "300ms") == 300ms);
  CHECK(parse_duration("d", "1.5s") == 1500ms);
  CHECK(parse_duration("d", "0") == 0s);
  for (const auto bad : {"", "s", "10x", "-1", "-1s", "1s2"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(parse_duration("d", bad), Error);
  }
}

TEST_CASE("endpoints are host and port, with brackets for IPv6") {
  CHECK(parse_endpoint("a.example:8443", 443)->text() == "a.example:8443");
  CHECK(parse_endpoint("a.example", 443)->text() == "a.example:443");
  CHECK(parse_endpoint("[::1]:8443", 443)->text() == "[::1]:8443");
  CHECK(parse_endpoint("::1", 443)->text() == "[::1]:443");
  for (const auto bad : {"", ":443", "a:", "a:0", "a:70000", "a b:1", "[::1", "[::1]x", "https://a:1"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_endpoint(bad, 443));
  }
}
