#include "core/plugin/loaded.hpp"

#include <fmt/format.h>

#include "core/base/error.hpp"

namespace certctl::plugin {

namespace {

std::string_view view(certctl_bytes bytes) {
  return bytes.data ? std::string_view(static_cast<const char*>(bytes.data), bytes.size) : std::string_view();
}

const certctl_descriptor& checked(const certctl_descriptor& descriptor, const std::string& file) {
  if (descriptor.size < sizeof(certctl_descriptor)) {
    throw invalid(fmt::format("plugin {}: a descriptor has {} bytes, {} are needed", file, descriptor.size,
                              sizeof(certctl_descriptor)));
  }
  return descriptor;
}

Outcome failed(Status status, std::string text) {
  Outcome outcome;
  outcome.status = status;
  outcome.text = std::move(text);
  return outcome;
}

/// A refusal of `create` or `validate` in the terms of whoever saves the settings.
Error refused(const Manifest& manifest, const Outcome& outcome) {
  const std::string path = outcome.out.text(CERTCTL_KEY_SETTING_PATH);
  if (!path.empty()) return invalid_field(path, "refused", outcome.text);
  const bool theirs = outcome.status == Status::invalid_config || outcome.status == Status::invalid_request;
  return theirs ? invalid(outcome.text) : internal(fmt::format("{}: {}", manifest.id, outcome.text));
}

SchemaResult usable(const Schema& schema, const json::Raw& config) {
  SchemaResult result = schema.check(config);
  std::vector<FieldError> faults = result.errors;
  faults.insert(faults.end(), result.missing.begin(), result.missing.end());
  if (faults.empty()) return result;
  const std::string text = faults.front().field + ": " + faults.front().message;
  throw Error(ErrorKind::invalid, "invalid config: " + text, std::move(faults));
}

}  // namespace

LoadedConnector::LoadedConnector(std::shared_ptr<Library> library, const certctl_descriptor& descriptor,
                                 std::shared_ptr<Runtime> runtime)
    : library_(std::move(library)),
      descriptor_(checked(descriptor, library_->file())),
      runtime_(std::move(runtime)),
      manifest_(Manifest::parse(view(descriptor.manifest))),
      kind_table_(plugin::kind_table(manifest_.kind)) {
  const auto agree = [&](std::string_view what, std::string_view described, std::string_view manifest) {
    if (described == manifest) return;
    throw invalid(fmt::format("plugin {}: its descriptor says {} \"{}\", its manifest \"{}\"", file(), what, described,
                              manifest));
  };
  agree("kind", view(descriptor.kind), manifest_.kind);
  agree("type", view(descriptor.type), manifest_.type);
  agree("version", view(descriptor.version), manifest_.version);
  if (!kind_table_)
    throw invalid(fmt::format("plugin {}: this host has no use for kind \"{}\"", file(), manifest_.kind));
}

std::shared_ptr<Instance> LoadedConnector::create(InstanceOptions options) const {
  SchemaResult checked = usable(schema(), options.config);
  options.config = std::move(checked.config);
  Settings settings(options.config);
  return std::make_shared<LoadedInstance>(*this, runtime_, std::move(options), std::move(settings));
}

std::vector<Finding> LoadedConnector::validate(const json::Raw& config) const {
  const certctl_factory* factory = &library_->factory();
  if (!CERTCTL_HAS(certctl_factory, factory, validate) || runtime_->closed) return {};
  const Settings settings(schema().check(config).config);
  Call call;
  call.timeout = std::chrono::seconds(5);
  RunningCall running({manifest_, "validate", "", settings, nullptr, nullptr, nullptr}, std::move(call),
                      runtime_->watchdog);
  const Outcome outcome = running.finish(factory->validate(&running));
  if (outcome.status == Status::ok) return outcome.findings();
  if (outcome.status == Status::invalid_config) {
    return {{Severity::bad, outcome.text, outcome.out.text(CERTCTL_KEY_SETTING_PATH)}};
  }
  throw refused(manifest_, outcome);
}

LoadedInstance::LoadedInstance(const LoadedConnector& connector, std::shared_ptr<Runtime> runtime,
                               InstanceOptions options, Settings settings)
    : connector_(connector),
      runtime_(std::move(runtime)),
      options_(std::move(options)),
      settings_(std::move(settings)) {
  if (runtime_->closed) throw unavailable("the plugin host has been shut down");
  const Manifest& manifest = connector_.manifest();
  Call call;
  call.timeout = std::chrono::seconds(5);
  RunningCall running({manifest, "create", options_.id, settings_, nullptr, &options_.resolve_secret, nullptr},
                      std::move(call), runtime_->watchdog);
  Outcome outcome = running.finish(connector_.factory().create(&running, &instance_));
  if (outcome.status != Status::ok) throw refused(manifest, outcome);
  if (!instance_) throw internal(fmt::format("{}: create made no instance", manifest.id));
  table_ = connector_.factory().extension(instance_, certctl_text(connector_.kind_table().id));
  if (!table_) {
    connector_.factory().destroy(instance_);
    throw internal(fmt::format("{}: the instance has no \"{}\"", manifest.id, connector_.kind_table().id));
  }
}

LoadedInstance::~LoadedInstance() { connector_.factory().destroy(instance_); }

bool LoadedInstance::supports(std::string_view operation) const {
  return find_operation(connector_.kind_table(), table_, operation) != nullptr;
}

Outcome LoadedInstance::call(std::string_view name, Call call) {
  const Manifest& manifest = connector_.manifest();
  if (runtime_->closed) return failed(Status::cancelled, "the plugin host has been shut down");
  if (poisoned_) {
    return failed(Status::internal, fmt::format("{} \"{}\" hangs in an earlier call and takes no further ones",
                                                manifest.type, options_.id));
  }
  certctl_op* operation = find_operation(connector_.kind_table(), table_, name);
  if (!operation) return failed(Status::not_supported, fmt::format("{} does not support {}", manifest.type, name));
  try {
    if (std::string reason = refusal(manifest, name, call); !reason.empty()) {
      return failed(Status::invalid_request, std::move(reason));
    }
    std::unique_lock<std::mutex> turn(serial_, std::defer_lock);
    if (connector_.serial()) turn.lock();
    return enter(operation, name, std::move(call));
  } catch (const Error& error) {
    return failed(Status::invalid_request, error.what());
  }
}

Outcome LoadedInstance::enter(certctl_op* operation, std::string_view name, Call call) {
  RunningCall running({connector_.manifest(), std::string(name), options_.id, settings_, options_.services,
                       &options_.resolve_secret, [this] { poisoned_ = true; }},
                      std::move(call), runtime_->watchdog);
  try {
    return running.finish(operation(instance_, &running));
  } catch (...) {  // a C++ plugin without the SDK's thunks; its frames are gone, the host goes on
    running.fault("an exception left the operation");
    return running.finish(CERTCTL_INTERNAL);
  }
}

}  // namespace certctl::plugin
