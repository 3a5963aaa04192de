#include "plugins/common/verification.hpp"

#include <algorithm>

#include "plugins/common/tls_probe.hpp"

namespace certctl::common {
namespace {

bool flag(const Call& call, const char* pointer, bool fallback) {
  return call.has_setting(pointer) ? call.setting_flag(pointer) : fallback;
}

std::chrono::milliseconds duration(const Call& call, const std::string& name, std::chrono::milliseconds fallback) {
  const std::string text = call.setting("/" + name);
  return text.empty() ? fallback : parse_duration(name, text);
}

/// SNI: the endpoint's host if it is a name, else the leaf's first DNS name, a wildcard filled in.
std::string server_name(const VerifySettings& settings, const Endpoint& endpoint, const Expectation& expected) {
  if (!settings.server_name.empty()) return settings.server_name;
  if (!is_address(endpoint.host)) return endpoint.host;
  if (expected.first_name.starts_with("*.")) return "certctl-verify" + expected.first_name.substr(1);
  return expected.first_name;
}

std::string missing_intermediates(const Served& served, const Expectation& expected) {
  // A server may leave out the root; everything before it must be there.
  for (std::size_t i = 0; i + 1 < expected.chain_fingerprints.size(); ++i) {
    if (std::ranges::find(served.chain_fingerprints, expected.chain_fingerprints[i]) ==
        served.chain_fingerprints.end()) {
      return "the server does not send the intermediate certificate with SHA-256 " + expected.chain_fingerprints[i];
    }
  }
  return {};
}

/// One attempt; throws Error(transient) on a failed probe.
void attempt(const VerifySettings& settings, const ProbeRequest& request, const Expectation& expected,
             Verification& result) {
  const auto addresses = resolve(request.endpoint);
  std::string last_error;
  for (const std::string& address : addresses) {
    Served served;
    try {
      served = probe(request, address);
    } catch (const Error& error) {
      if (settings.all_addresses) throw;
      last_error = error.what();
      continue;
    }
    result.actual = served.fingerprint;
    if (served.fingerprint != expected.fingerprint) {
      throw transient("post-deploy TLS verify SHA-256 mismatch: got " + served.fingerprint + ", want " +
                      expected.fingerprint);
    }
    if (settings.check_chain) result.warning = missing_intermediates(served, expected);
    if (!settings.all_addresses) return;
  }
  if (!last_error.empty()) throw transient(last_error);
}

}  // namespace

std::string_view to_text(Verification::Status status) {
  switch (status) {
    case Verification::Status::skipped: return "skipped";
    case Verification::Status::success: return "success";
    case Verification::Status::failed: return "failed";
  }
  throw Error(Status::internal, "unknown verification status");
}

VerifySettings read_verify_settings(const Call& call, std::uint16_t default_port) {
  VerifySettings settings;
  settings.enabled = flag(call, "/post_deploy_verify/enabled", settings.enabled);
  if (const std::string text = call.setting("/post_deploy_verify/endpoint"); !text.empty()) {
    settings.endpoint = parse_endpoint(text, default_port);
    if (!settings.endpoint) {
      throw invalid_config("post_deploy_verify.endpoint \"" + text + "\" is not host:port",
                           "/post_deploy_verify/endpoint");
    }
  }
  settings.server_name = call.setting("/post_deploy_verify/server_name");
  settings.all_addresses = flag(call, "/post_deploy_verify/all_addresses", settings.all_addresses);
  settings.check_chain = flag(call, "/post_deploy_verify/check_chain", settings.check_chain);
  settings.delay = duration(call, "post_deploy_verify/delay", settings.delay);
  settings.timeout = duration(call, "post_deploy_verify/timeout", settings.timeout);
  settings.attempts = int(call.setting_integer("/post_deploy_verify_attempts", settings.attempts));
  settings.backoff = duration(call, "post_deploy_verify_backoff", settings.backoff);
  settings.max_backoff = duration(call, "post_deploy_verify_max_backoff", settings.max_backoff);
  if (settings.attempts < 1 || settings.attempts > 100) {
    throw invalid_config("post_deploy_verify_attempts must be 1 to 100", "/post_deploy_verify_attempts");
  }
  return settings;
}

Verification verify_served(const VerifySettings& settings, const Endpoint& endpoint, const Expectation& expected,
                           const std::function<bool(std::chrono::milliseconds)>& wait) {
  Verification result{Verification::Status::failed, endpoint.text(), expected.fingerprint, {}, 0, {}, {}};
  const ProbeRequest request{endpoint, server_name(settings, endpoint, expected), expected.key_type, settings.timeout};
  std::chrono::milliseconds pause = settings.delay;
  std::chrono::milliseconds next = settings.backoff;
  while (result.attempts < settings.attempts) {
    if (!wait(pause)) {
      if (result.error.empty()) result.error = "TLS probe failed: no time left for it";
      return result;
    }
    ++result.attempts;
    try {
      attempt(settings, request, expected, result);
      result.status = Verification::Status::success;
      result.error.clear();
      return result;
    } catch (const Error& error) {
      result.error = error.what();
    }
    pause = std::min(next, settings.max_backoff);
    next = std::min(next * 2, settings.max_backoff);
  }
  return result;
}

}  // namespace certctl::common
