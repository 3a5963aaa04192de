#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "core/crypto/certificate.hpp"
#include "core/crypto/certificate_request.hpp"
#include "core/crypto/self_signed.hpp"
#include "core/plugin/host.hpp"
#include "core/plugin_services/standard_services.hpp"

/// The built plugin, loaded through the host, with a CA whose key the test holds.
namespace certctl::local_test {

/// 2026-01-02T03:04:05Z: what "now" is for the tests' certificates.
inline const Time kNow = Time(std::chrono::seconds(1767323045));
inline constexpr std::string_view kSerial = "4a00000000000000000000000000000000000001";

class TestKeys final : public plugin::KeyProvider {
 public:
  explicit TestKeys(crypto::Identity ca) : ca_(std::move(ca)) {}

  plugin::KeyDescription describe(const plugin::KeyUse& use) override {
    if (!use.ref.empty() && use.ref != "ca-1") throw not_found("no such CA key");
    return {"ca-1", ca_.key.name(), ca_.certificate.public_key().spki(), ca_.full_pem(), true};
  }
  Bytes sign(const plugin::KeyUse&, std::string_view digest_name, std::span<const std::uint8_t> digest) override {
    Bytes signature = ca_.key.sign_digest(digest_name, digest);
    if (broken) signature.back() ^= 1;
    return signature;
  }
  const crypto::Identity& ca() const { return ca_; }

  bool broken = false;  ///< a key that signs wrongly

 private:
  crypto::Identity ca_;
};

struct LocalCa {
  explicit LocalCa(std::string algorithm = "ECDSA-P256", std::string config = "{}")
      : LocalCa(crypto::make_root({"Test Root", std::move(algorithm), std::chrono::days(3650)},
                                  kNow - std::chrono::hours(24)),
                std::move(config)) {}
  explicit LocalCa(crypto::Identity ca, std::string config = "{}")
      : keys(std::make_shared<TestKeys>(std::move(ca))),
        host({std::getenv("CERTCTL_TEST_PLUGIN_DIR")}, std::make_shared<SystemClock>()) {
    plugin::StandardServicesOptions options;
    options.keys = keys;
    instance = host.get("issuer", "local").create({"iss-local", json::raw(config), standard_services(options), {}});
  }

  /// A call of `issue` for this CSR as the core makes it.
  plugin::Call call(std::string_view csr_pem) const {
    plugin::Call call;
    call.in.add(CERTCTL_KEY_CSR_PEM, csr_pem)
        .add(CERTCTL_KEY_SERIAL, kSerial)
        .add_int(CERTCTL_KEY_NOT_BEFORE,
                 std::chrono::duration_cast<std::chrono::milliseconds>(kNow.time_since_epoch()).count() - 60'000)
        .add(CERTCTL_KEY_CA_REF, "ca-1");
    return call;
  }
  plugin::Outcome issue(plugin::Call call) { return instance->call("issue", std::move(call)); }
  /// The leaf; fails the test when there is none.
  crypto::Certificate leaf(plugin::Call call) {
    const plugin::Outcome outcome = issue(std::move(call));
    INFO(outcome.text);
    REQUIRE(outcome.done());
    return crypto::Certificate::from_pem(outcome.out.text(CERTCTL_KEY_CERTIFICATES));
  }
  std::string refusal(plugin::Call call) {
    const plugin::Outcome outcome = issue(std::move(call));
    CHECK(outcome.status == plugin::Status::invalid_request);
    CHECK(outcome.out.empty());
    return outcome.text;
  }

  std::shared_ptr<TestKeys> keys;
  plugin::Host host;
  std::shared_ptr<plugin::Instance> instance;
};

/// A CSR with a new key of `algorithm`.
inline std::string csr(std::vector<std::string> sans = {"www.example.com"}, std::string common_name = "www.example.com",
                       std::string_view algorithm = "ECDSA-P256") {
  return crypto::build_request(crypto::PrivateKey::generate(algorithm),
                               {std::move(common_name), std::move(sans), false})
      .pem();
}

/// A folder that goes with the test.
class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "certctl-local-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()));
    path_ = name;
  }
  ~Scratch() { std::filesystem::remove_all(path_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::string write(const std::string& name, std::string_view content) const {
    const auto path = path_ / name;
    std::ofstream(path) << content;
    return path.string();
  }
  std::string path(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

/// Output of the `openssl` command line; fails the test unless it exits with 0.
inline std::string openssl(const std::string& arguments) {
  const std::string command = "{ openssl " + arguments + "; } 2>&1";
  FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe);
  std::string output;
  char buffer[4096];
  for (std::size_t size; (size = ::fread(buffer, 1, sizeof buffer, pipe)) > 0;) output.append(buffer, size);
  INFO(command << "\n" << output);
  REQUIRE(::pclose(pipe) == 0);
  return output;
}

}  // namespace certctl::local_test
