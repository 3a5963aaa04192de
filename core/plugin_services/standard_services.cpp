#include "core/plugin_services/standard_services.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "core/base/error.hpp"
#include "core/base/random.hpp"
#include "core/plugin_services/http_service.hpp"
#include "core/plugin_services/process.hpp"

namespace certctl::plugin {

namespace {

constexpr std::int64_t kMaxRandom = 4096;
constexpr std::size_t kMaxStateKey = 255;
constexpr std::size_t kMaxStateValue = 64 * 1024;

/// Beside the running program (a build folder), else where the package puts it.
std::string find_helper() {
  std::error_code failure;
  const auto beside = std::filesystem::read_symlink("/proc/self/exe", failure).parent_path() / "certctl-exec";
  if (!failure && std::filesystem::exists(beside, failure)) return beside.string();
  for (const char* installed : {"/usr/libexec/certctl/certctl-exec", "/usr/local/libexec/certctl/certctl-exec"}) {
    if (std::filesystem::exists(installed, failure)) return installed;
  }
  return beside.string();
}

class StandardServices final : public Services {
 public:
  explicit StandardServices(StandardServicesOptions options)
      : options_(std::move(options)), http_({options_.address_policy, options_.resolver, options_.user_agent}) {
    if (options_.exec_helper.empty()) options_.exec_helper = find_helper();
  }

  bool offers(std::uint32_t service) const override {
    const std::string_view family = service_family(service);
    if (family == "keys") return options_.keys != nullptr;
    if (family == "state") return options_.state != nullptr;
    return !family.empty();
  }

  ServiceAnswer run(const ServiceRequest& request) override {
    switch (request.service) {
      case CERTCTL_HTTP_SEND:
        return http_.send(request);
      case CERTCTL_PROCESS_RUN:
        return process(request);
      case CERTCTL_KEYS_DESCRIBE:
        return describe_key(request);
      case CERTCTL_KEYS_SIGN:
        return sign(request);
      case CERTCTL_STATE_GET:
        return get_state(request);
      case CERTCTL_STATE_PUT:
        return put_state(request);
      case CERTCTL_STATE_COMPARE_AND_SET:
        return compare_and_set(request);
      case CERTCTL_RANDOM_FILL:
        return random(request);
      default:
        return {Status::not_supported, {}, fmt::format("there is no service {}", request.service), false};
    }
  }

 private:
  ServiceAnswer process(const ServiceRequest& request) const;
  ServiceAnswer describe_key(const ServiceRequest& request) const;
  ServiceAnswer sign(const ServiceRequest& request) const;
  ServiceAnswer get_state(const ServiceRequest& request) const;
  ServiceAnswer put_state(const ServiceRequest& request) const;
  ServiceAnswer compare_and_set(const ServiceRequest& request) const;
  ServiceAnswer random(const ServiceRequest& request) const;

  StandardServicesOptions options_;
  HttpService http_;
};

ServiceAnswer StandardServices::process(const ServiceRequest& request) const {
  ProcessOptions options;
  options.arguments = request.in.texts(CERTCTL_KEY_PROCESS_ARG);
  options.environment = request.in.map(CERTCTL_KEY_PROCESS_ENV);
  options.directory = request.in.text(CERTCTL_KEY_PROCESS_DIRECTORY);
  options.binds = request.in.map(CERTCTL_KEY_PROCESS_BIND);
  if (request.in.has(CERTCTL_KEY_PROCESS_PATH)) options.path = request.in.text(CERTCTL_KEY_PROCESS_PATH);
  options.helper = options_.exec_helper;
  options.deadline = request.deadline;
  if (const auto timeout = request.in.integer(CERTCTL_KEY_PROCESS_TIMEOUT_MS)) {
    options.deadline =
        std::min(options.deadline, std::chrono::steady_clock::now() + std::chrono::milliseconds(*timeout));
  }
  ServiceAnswer answer;
  try {
    const ProcessResult result = run_process(options, request.cancellation);
    if (!result.isolation_refused.empty()) return {Status::not_supported, {}, result.isolation_refused, false};
    answer.effect = true;
    if (result.cancelled)
      answer.status = Status::cancelled, answer.error = "the program was stopped: the call was cancelled";
    if (result.exit_status >= 0)
      answer.out.add_int(CERTCTL_KEY_PROCESS_EXIT, result.exit_status);
    else
      answer.out.add_int(CERTCTL_KEY_PROCESS_SIGNAL, result.signal);
    answer.out.add_int(CERTCTL_KEY_PROCESS_TIMED_OUT, result.timed_out);
    answer.out.add_int(CERTCTL_KEY_PROCESS_ISOLATED, result.isolated);
    answer.out.add(CERTCTL_KEY_PROCESS_OUTPUT, result.output);
  } catch (const Error& error) {
    // Raised only before the program ran.
    const auto status = error.kind() == ErrorKind::invalid ? Status::invalid_config : Status::internal;
    return {status, {}, error.what(), false};
  }
  return answer;
}

ServiceAnswer StandardServices::describe_key(const ServiceRequest& request) const {
  const std::string ref = request.in.text(CERTCTL_KEY_KEY_REF);
  const KeyDescription key = options_.keys->describe({request.instance_id, request.settings, ref});
  ServiceAnswer answer;
  answer.out.add(CERTCTL_KEY_KEY_REF, key.ref)
      .add(CERTCTL_KEY_KEY_ALGORITHM, key.algorithm)
      .add_bytes(CERTCTL_KEY_KEY_SPKI, key.spki)
      .add_int(CERTCTL_KEY_KEY_PERSISTENT, key.persistent);
  answer.out.add_if(CERTCTL_KEY_CERTIFICATES, key.certificates);
  return answer;
}

ServiceAnswer StandardServices::sign(const ServiceRequest& request) const {
  const std::string ref = request.in.text(CERTCTL_KEY_KEY_REF);
  const std::string algorithm = request.in.text(CERTCTL_KEY_DIGEST_ALGORITHM);
  const Bytes digest = request.in.bytes(CERTCTL_KEY_DIGEST);
  const std::size_t size = algorithm == "SHA256" ? 32 : algorithm == "SHA384" ? 48 : algorithm == "SHA512" ? 64 : 0;
  if (size == 0 || digest.size() != size) {
    return {Status::invalid_request, {}, fmt::format("{} bytes are no {} digest", digest.size(), algorithm), false};
  }
  ServiceAnswer answer;
  answer.out.add_bytes(CERTCTL_KEY_SIGNATURE,
                       options_.keys->sign({request.instance_id, request.settings, ref}, algorithm, digest));
  return answer;
}

std::string state_key(const ServiceRequest& request) {
  const std::string key = request.in.text(CERTCTL_KEY_STATE_KEY);
  if (key.empty() || key.size() > kMaxStateKey) throw invalid("a state key has 1 to 255 bytes");
  if (request.in.text(CERTCTL_KEY_STATE_VALUE).size() > kMaxStateValue)
    throw invalid("a state value has 64 KiB at most");
  return key;
}

ServiceAnswer StandardServices::get_state(const ServiceRequest& request) const {
  const auto entry = options_.state->get(request.instance_id, state_key(request));
  ServiceAnswer answer;
  if (!entry) {
    answer.status = Status::not_found;
    return answer;
  }
  answer.out.add_bytes(CERTCTL_KEY_STATE_VALUE, entry->value).add_int(CERTCTL_KEY_STATE_VERSION, entry->version);
  return answer;
}

ServiceAnswer StandardServices::put_state(const ServiceRequest& request) const {
  const Bytes value = request.in.bytes(CERTCTL_KEY_STATE_VALUE);
  std::optional<std::span<const std::uint8_t>> kept;
  if (request.in.has(CERTCTL_KEY_STATE_VALUE)) kept = value;
  options_.state->put(request.instance_id, state_key(request), kept);
  return {};
}

ServiceAnswer StandardServices::compare_and_set(const ServiceRequest& request) const {
  const Bytes value = request.in.bytes(CERTCTL_KEY_STATE_VALUE);
  const std::int64_t version = request.in.integer_or(CERTCTL_KEY_STATE_VERSION, 0);
  ServiceAnswer answer;
  if (!options_.state->compare_and_set(request.instance_id, state_key(request), version, value)) {
    answer.status = Status::conflict;
    answer.error = "the state changed meanwhile";
  }
  return answer;
}

ServiceAnswer StandardServices::random(const ServiceRequest& request) const {
  const std::int64_t size = request.in.integer_or(CERTCTL_KEY_RANDOM_SIZE, 0);
  if (size < 1 || size > kMaxRandom)
    return {Status::invalid_request, {}, "1 to 4096 random bytes can be asked for", false};
  Bytes bytes(std::size_t(size), std::uint8_t{0});
  fill_random(bytes);
  ServiceAnswer answer;
  answer.out.add_bytes(CERTCTL_KEY_RANDOM_BYTES, bytes);
  return answer;
}

}  // namespace

std::shared_ptr<Services> standard_services(StandardServicesOptions options) {
  return std::make_shared<StandardServices>(std::move(options));
}

}  // namespace certctl::plugin
